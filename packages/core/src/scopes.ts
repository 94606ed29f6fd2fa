import { isJsonObject, type JsonValue } from "./canonical-json.js";
import { AmeshError, quoteForeign } from "./errors.js";

/** Grants by name: `r` to read, `rw` to read and write. */
export type Scopes = Readonly<Record<string, "r" | "rw">>;

const name = "(?:__)?[a-z0-9-]{1,32}(?:\\.[a-z0-9-]{1,32})?";
const grantName = new RegExp(`^(?:\\*|${name})$`);
const requirementPattern = new RegExp(`^(${name}):(r|w)$`);

/**
 * Reads grants such as `orders:rw,profile:r` (docs/protocol.md, section 10.1).
 *
 * @throws AmeshError `invalid_scope`
 */
export function parseScopes(text: string): Scopes {
  const scopes: Record<string, "r" | "rw"> = {};
  for (const grant of text === "" ? [] : text.split(",")) {
    const [name = "", access, ...more] = grant.trim().split(":");
    if (!isGrant(name, access) || more.length > 0)
      throw new AmeshError("invalid_scope", `${quoteForeign(grant)} is not a scope.`);
    if (Object.hasOwn(scopes, name))
      throw new AmeshError("invalid_scope", `The scope ${name} is named twice.`);
    scopes[name] = access;
  }
  return scopes;
}

/** Whether `name` may be granted, and `access` is what may be granted of it. */
export const isGrant = (name: string, access: unknown): access is "r" | "rw" =>
  grantName.test(name) && (access === "r" || access === "rw");

/** The most names that a map of grants may have. */
export const mostGrants = 256;

/** Grants as JSON has them; undefined for what is no map of them. */
export function asScopes(value: JsonValue): Scopes | undefined {
  const grants = isJsonObject(value) ? Object.entries(value) : undefined;
  if (grants === undefined || grants.length > mostGrants) return undefined;
  return grants.every(([name, access]) => isGrant(name, access))
    ? (Object.fromEntries(grants) as Scopes)
    : undefined;
}

/** A requirement such as `orders:w`, read once and asked often. @throws AmeshError `invalid_scope`, TypeError for what is no text */
export function parseRequirement(text: string): (grants: Scopes) => boolean {
  if (typeof text !== "string") throw new TypeError('A required scope must be a text: "orders:r".');
  const [, name, access] = requirementPattern.exec(text) ?? [];
  if (name === undefined)
    throw new AmeshError("invalid_scope", `${quoteForeign(text)} is not NAME:r or NAME:w.`);
  return (grants) => {
    const level = levelOf(grants, name);
    return access === "r" ? level !== undefined : level === "rw";
  };
}

/** What both allow: no name has a higher level than in either. */
export function narrowScopes(a: Scopes, b: Scopes): Scopes {
  const narrowed: Record<string, "r" | "rw"> = {};
  for (const name of Object.keys({ ...a, ...b })) {
    const levels = [levelOf(a, name), levelOf(b, name)];
    if (!levels.includes(undefined)) narrowed[name] = levels.includes("r") ? "r" : "rw";
  }
  return narrowed;
}

/** Grants as text, in the order of their names: `orders:rw,profile:r`. */
export const formatScopes = (scopes: Scopes): string =>
  Object.keys(scopes)
    .sort()
    .map((name) => `${name}:${scopes[name]}`)
    .join(",");

/**
 * Whether nothing in `granted` goes beyond `holder` (docs/protocol.md, section 10.1): not for a name of either, nor for
 * one that neither mentions, which `*` and the name above it decide.
 */
export function coversScopes(holder: Scopes, granted: Scopes): boolean {
  const named = Object.keys({ ...holder, ...granted }).filter((name) => name !== "*");
  const names = new Set([
    ...named,
    ...named.filter((name) => !name.includes(".")).map((name) => `${name}.${unnamed}`),
  ]);
  return [...names, unnamed].every((name) => rank(levelOf(granted, name)) <= rank(levelOf(holder, name)));
}

/** Stands for every name that no map mentions: none can, since it has more letters than a name may. */
const unnamed = "x".repeat(33);

const rank = (level: "r" | "rw" | undefined): number => (level === undefined ? 0 : level.length);

const reading = new Set(["read", "list", "get"]);

/**
 * What an enrolled caller must hold for a token's action (docs/protocol.md, section 10.1): `orders:r` for `orders.list`,
 * `orders:w` for `orders.write`. Undefined for an action that is not NAME.VERB with a name of a scope.
 */
export function requirementOfAction(action: string): string | undefined {
  const [name = "", verb, ...more] = action.split(".");
  if (verb === undefined || verb === "" || more.length > 0) return undefined;
  const requirement = `${name}:${reading.has(verb) ? "r" : "w"}`;
  return requirementPattern.test(requirement) ? requirement : undefined;
}

/** The most specific grant decides: `name.sub`, then `name`, then `*`, which never reaches a reserved name. */
function levelOf(grants: Scopes, name: string): "r" | "rw" | undefined {
  const parent = name.split(".")[0] as string;
  for (const candidate of name.startsWith("__") ? [name, parent] : [name, parent, "*"]) {
    if (Object.hasOwn(grants, candidate)) return grants[candidate];
  }
  return undefined;
}
