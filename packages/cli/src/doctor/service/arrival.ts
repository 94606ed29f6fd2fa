import { type Change, type ProbeRequest, withPath } from "./probe-request.js";
import type { Answer, ServiceConnection } from "./service-connection.js";

/** Where a request goes to, and what is known of where it ends up. */
export interface Destination {
  /** Origin and path that callers use. */
  readonly url: URL;
  /** As the proxy's configuration names the service, if the operator says so. */
  readonly upstreams: readonly URL[];
}

/** A host or a path as the service may see it. */
export interface Reading extends Change {
  readonly part: "Host" | "Path";
}

/** What the service sees of a request, by what it accepted. */
export interface Arrival {
  /** What differs from what was sent; empty when nothing does. */
  readonly changes: readonly Reading[];
  readonly connection: ServiceConnection;
}

/** Ports that services behind a proxy usually listen at. */
const usualPorts = ["", ":3000", ":5000", ":8000", ":8080"];
const mostSegments = 4;

/**
 * Finds out how requests arrive, by signing them for what the proxy may have made of them: the service accepts
 * the one that was signed for what it received.
 *
 * @param request was refused as it was sent
 * @param harmless whether the request means nothing to any service, so that its signature may be one for a host that was
 *   only guessed
 */
export async function findArrival(
  connection: ServiceConnection,
  destination: Destination,
  request: ProbeRequest,
  harmless: boolean,
): Promise<readonly Reading[] | undefined> {
  const hosts = [undefined, ...hostReadings(destination, harmless)];
  const paths = [undefined, ...pathReadings(destination)];
  const combinations = hosts.flatMap((host) =>
    paths.map((path) => [host, path].filter((reading) => reading !== undefined)),
  );
  // The simplest explanation first.
  combinations.sort((a, b) => a.length - b.length);
  for (const changes of combinations) {
    const answer = await connection.signed(request, { signedAs: asArrived(request, changes) });
    if (isAccepted(answer)) return changes;
  }
  return undefined;
}

/** A request after the changes. */
export const asArrived = (request: ProbeRequest, changes: readonly Change[]): ProbeRequest =>
  changes.reduce((changed, { arrives }) => arrives(changed), request);

/** Whether the signature was found right. What the device was not granted is no matter of proxies. */
export const isAccepted = ({ refusal }: Answer): boolean =>
  refusal === undefined || refusal.code === "scope_missing";

/** Host names that were tried, for people. */
export const hostsTried = (destination: Destination, harmless: boolean): readonly string[] => [
  destination.url.host,
  ...otherHosts(destination, harmless),
];

function otherHosts({ url, upstreams }: Destination, harmless: boolean): readonly string[] {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const hosts = [url.hostname, `${url.hostname}:${port}`, ...upstreams.map(({ host }) => host)];
  const ownPort = url.port === "" ? [] : [`:${url.port}`];
  const guesses = ["localhost", "127.0.0.1"].flatMap((name) =>
    [...ownPort, ...usualPorts].map((end) => name + end),
  );
  const all = new Set(harmless ? [...hosts, ...guesses] : hosts);
  all.delete(url.host);
  return [...all];
}

const hostReadings = (destination: Destination, harmless: boolean): readonly Reading[] =>
  otherHosts(destination, harmless).map((host) => ({
    part: "Host",
    finding: `Callers sign for ${destination.url.host}; the service expects ${host}.`,
    fix: `Name ${destination.url.host} in the service's audience: the option audience, AMESH_AUDIENCE, or \`amesh init --audience\`. And let the proxy keep Host: nginx \`proxy_set_header Host $http_host;\`, Caddy without \`header_up Host\`.`,
    arrives: (request) => ({ ...request, origin: `http://${host}` }),
  }));

function pathReadings({ url, upstreams }: Destination): readonly Reading[] {
  const segments = url.pathname.split("/").filter((segment) => segment !== "");
  const prefixes = segments.slice(0, mostSegments).map((_, i) => `/${segments.slice(0, i + 1).join("/")}`);
  const additions = upstreams
    .map(({ pathname }) => pathname.replace(/\/$/, ""))
    .filter((path) => path !== "");
  return [
    ...prefixes.map((prefix) => stripped(prefix)),
    ...additions.flatMap((addition) => ["", ...prefixes].map((prefix) => replaced(prefix, addition))),
  ];
}

const stripped = (prefix: string): Reading => ({
  part: "Path",
  finding: `The proxy takes ${prefix} off the path.`,
  fix: `Tell the service: the option pathPrefix: "${prefix}". Or let the proxy keep it: nginx \`proxy_pass http://UPSTREAM;\` with nothing behind the host, Caddy \`handle\` in place of \`handle_path\`, and no \`uri strip_prefix\`.`,
  arrives: (request) => withPath(request, (path) => path.slice(prefix.length) || "/"),
});

const replaced = (prefix: string, addition: string): Reading => ({
  part: "Path",
  finding: `The proxy puts ${addition} in front of the path${prefix === "" ? "" : ` in place of ${prefix}`}.`,
  fix: "Let callers use the path that the service has, and the proxy keep it: nginx `proxy_pass http://UPSTREAM;` with nothing behind the host, Caddy without `rewrite`.",
  arrives: (request) => withPath(request, (path) => addition + path.slice(prefix.length)),
});
