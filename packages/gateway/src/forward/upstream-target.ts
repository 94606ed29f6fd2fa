/**
 * The target as the upstream gets it. The prefix of a route is as many segments of the path, however they are written: the
 * route compared them decoded and without regard to case.
 */
export function upstreamTarget(target: string, stripPrefix: string): string {
  const segments = stripPrefix.split("/").filter((segment) => segment !== "").length;
  if (segments === 0) return target;
  const [path = "", ...query] = target.split(/(?=\?)/);
  const rest = path.split("/").slice(1 + segments);
  return `/${rest.join("/")}${query.join("")}`;
}
