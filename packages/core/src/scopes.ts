import { AmeshError, quoteForeign } from "./errors.js";

/** Grants by name: `r` to read, `rw` to read and write. */
export type Scopes = Readonly<Record<string, "r" | "rw">>;

const name = "(?:__)?[a-z0-9-]{1,32}(?:\\.[a-z0-9-]{1,32})?";
const grantName = new RegExp(`^(?:\\*|${name})$`);
const requirementPattern = new RegExp(`^(${name}):(r|w)$`);

/**
 * Reads grants such as `orders:rw,profile:r` (docs/protocol.md, section 10).
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

/** A requirement such as `orders:w`, read once and asked often. @throws AmeshError `invalid_scope` */
export function parseRequirement(text: string): (grants: Scopes) => boolean {
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

/** The most specific grant decides: `name.sub`, then `name`, then `*`, which never reaches a reserved name. */
function levelOf(grants: Scopes, name: string): "r" | "rw" | undefined {
  const parent = name.split(".")[0] as string;
  for (const candidate of name.startsWith("__") ? [name, parent] : [name, parent, "*"]) {
    if (Object.hasOwn(grants, candidate)) return grants[candidate];
  }
  return undefined;
}
