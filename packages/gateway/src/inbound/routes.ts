import type { RouteSettings } from "../config/settings.js";

/** What the routes say of a request: one of them, or the methods that the path has routes for. */
export type FoundRoute =
  | { readonly route: RouteSettings; readonly allow?: never }
  | { readonly route?: never; readonly allow: readonly string[] };

/**
 * Chooses a route by host, path and method (docs/protocol.md, section 14.2). The most specific path that has routes for
 * the host decides alone: a shorter one never lets in what it has no route for.
 */
export class RouteTable {
  /** By path without regard to case, then in the order in which they are chosen. */
  readonly #exact: ReadonlyMap<string, readonly RouteSettings[]>;
  readonly #below: ReadonlyMap<string, readonly RouteSettings[]>;

  constructor(routes: readonly RouteSettings[]) {
    this.#exact = byPath(routes.filter(({ below }) => !below));
    this.#below = byPath(routes.filter(({ below }) => below));
  }

  /**
   * @param host as `Host` has it, with or without a port; "" where there is none
   * @param path plain (section 14.1), without a query
   */
  find(host: string, path: string, method: string): FoundRoute | undefined {
    const name = hostName(host);
    const asked = comparablePath(path);
    const folded = foldCase(asked);
    const level = this.#level(this.#exact.get(folded), name, asked) ?? this.#longest(name, asked, folded);
    if (level === undefined) return undefined;
    const route = level.find(({ methods }) => methods.length === 0 || methods.includes(method));
    return route === undefined
      ? { allow: [...new Set(level.flatMap(({ methods }) => methods))].sort() }
      : { route };
  }

  #longest(host: string, asked: string, folded: string): readonly RouteSettings[] | undefined {
    for (let end = folded.length; end >= 0; end = end === 0 ? -1 : folded.lastIndexOf("/", end - 1)) {
      const level = this.#level(this.#below.get(folded.slice(0, end)), host, asked);
      if (level !== undefined) return level;
    }
    return undefined;
  }

  /** Those of one path that are for this host. */
  #level(
    candidates: readonly RouteSettings[] | undefined,
    host: string,
    asked: string,
  ): readonly RouteSettings[] | undefined {
    const level = candidates?.filter(
      (route) => (route.hosts.length === 0 || route.hosts.includes(host)) && casesFit(route, asked),
    );
    return level === undefined || level.length === 0 ? undefined : level;
  }
}

function byPath(routes: readonly RouteSettings[]): ReadonlyMap<string, readonly RouteSettings[]> {
  const paths = new Map<string, RouteSettings[]>();
  for (const route of routes) {
    const key = foldCase(route.path.normalize("NFKC"));
    const same = paths.get(key);
    if (same === undefined) paths.set(key, [route]);
    else same.push(route);
  }
  for (const same of paths.values()) same.sort((a, b) => rank(a) - rank(b));
  return paths;
}

/** Named hosts first, then named methods. */
const rank = ({ hosts, methods }: RouteSettings): number =>
  (hosts.length > 0 ? 0 : 2) + (methods.length > 0 ? 0 : 1);

/** What opens a path may not open those of other letters, as folding would: `ß` becomes `ss`. What protects one may. */
function casesFit({ caseSensitive, public: isPublic, path, below }: RouteSettings, asked: string): boolean {
  if (!caseSensitive && !isPublic) return true;
  const compared = (text: string) => (caseSensitive ? text : text.toLowerCase());
  const [own, other] = [compared(path.normalize("NFKC")), compared(asked)];
  return other === own || (below && other.startsWith(`${own}/`));
}

/** Decoded, in the form in which compatible characters are one, without the slash at its end. */
function comparablePath(path: string): string {
  const decoded = path.includes("%") ? decodeURIComponent(path) : path;
  return decoded.normalize("NFKC").replace(/\/$/, "");
}

/** Over capitals, since some letters have more than one small form. */
export const foldCase = (path: string): string => path.toUpperCase().toLowerCase().normalize("NFKC");

/** What routes compare of a Host. */
export const hostName = (host: string): string => host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
