import { foldCase } from "../inbound/routes.js";
import type { RouteSettings } from "./settings.js";

/** A route of which nothing says whether it or another one is chosen (docs/protocol.md, section 14.2). */
export interface Alike {
  readonly index: number;
  /** Which one stands before it. */
  readonly as: number;
  /** A request that both are for: "GET api.example.com/orders". */
  readonly what: string;
}

/** Those routes that would be chosen as one before them is. */
export function findAlike(routes: readonly RouteSettings[]): readonly Alike[] {
  const seen = new Map<string, number>();
  const alike: Alike[] = [];
  for (const [index, route] of routes.entries()) {
    const keys = keysOf(route);
    const [key, as] =
      keys.map((key) => [key, seen.get(key)] as const).find(([, as]) => as !== undefined) ?? [];
    if (key !== undefined && as !== undefined) alike.push({ index, as, what: key });
    else for (const key of keys) seen.set(key, index);
  }
  return alike;
}

/** One for each kind of request that a route is named for. */
function keysOf({ hosts, methods, path, below, caseSensitive }: RouteSettings): readonly string[] {
  const folded = `${caseSensitive ? path : foldCase(path)}${below ? "/*" : path === "" ? "/" : ""}`;
  return (methods.length === 0 ? ["every method"] : methods).flatMap((method) =>
    (hosts.length === 0 ? ["every host"] : hosts).map((host) => `${method}, ${host}, ${folded}`),
  );
}
