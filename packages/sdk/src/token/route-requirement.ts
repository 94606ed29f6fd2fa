import { type Failure, failure, isGrant, parseRequirement, type Scopes } from "@authmesh/core";

/** What a route looks at of whom a verifier let in. */
export interface RouteCaller {
  /** Of a token; a device has none of its own. */
  readonly action?: string;
  /** A token's scopes, or what a device was granted, as "orders:rw". */
  readonly scopes: readonly string[];
}

/** What a route asks of a caller that was let in: nothing, or why it may not pass. */
export type RouteRequirement = (caller: RouteCaller) => Failure | undefined;

/**
 * That the token is for one of these actions, exactly. Whoever came without one does not pass.
 *
 * @throws TypeError for none, or what is no text
 */
export function actionIs(actions: readonly string[]): RouteRequirement {
  checkNames("requireAction", actions);
  return ({ action }) =>
    action !== undefined && actions.includes(action)
      ? undefined
      : failure(
          "action_mismatch",
          `The token is for ${action ?? "no action"}, and this route is for ${actions.join(" or ")}.`,
        );
}

/**
 * That token or device holds every one of these scopes: spelt like that, or, where it is written as a requirement such as
 * "orders:w", by a grant that suffices for it such as "orders:rw" (docs/protocol.md, section 10).
 *
 * @throws TypeError for none, what is no text, and what is granted and never required: "orders:rw"
 */
export function scopesHeld(scopes: readonly string[]): RouteRequirement {
  checkNames("requireScope", scopes);
  const granted = scopes.find((scope) => scope.endsWith(":rw") && isGrant(scope.slice(0, -3), "rw"));
  if (granted !== undefined)
    throw new TypeError(
      `requireScope: ${granted} is what is granted; a route asks for ${granted.slice(0, -1)} or ${granted.slice(0, -2)}w.`,
    );
  const requirements = scopes.map((scope) => ({ scope, suffices: requirementOf(scope) }));
  return (caller) => {
    const missing = requirements.filter(
      ({ scope, suffices }) => !caller.scopes.includes(scope) && !suffices(grantsOf(caller.scopes)),
    );
    if (missing.length === 0) return undefined;
    return failure(
      "scope_missing",
      `The caller does not hold ${missing.map(({ scope }) => scope).join(", ")}.`,
      "Obtain a token that holds the scope; the issuer's policy must allow it. To a device, grant it.",
    );
  };
}

/** A scope in another spelling than ours is held by its name alone. */
function requirementOf(scope: string): (grants: Scopes) => boolean {
  try {
    return parseRequirement(scope);
  } catch {
    return () => false;
  }
}

/** What a device was granted, as texts. */
export const scopesOf = (grants: Scopes): readonly string[] =>
  Object.entries(grants).map(([name, access]) => `${name}:${access}`);

/** Those scopes that are spelt as grants. Of two for one name the higher counts. */
function grantsOf(scopes: readonly string[]): Scopes {
  const grants: Record<string, "r" | "rw"> = {};
  for (const scope of scopes) {
    const [name = "", access, ...more] = scope.split(":");
    if (more.length > 0 || !isGrant(name, access)) continue;
    if (grants[name] !== "rw") grants[name] = access;
  }
  return grants;
}

function checkNames(what: string, names: readonly string[]): void {
  if (names.length > 0 && names.every((name) => typeof name === "string" && name !== "")) return;
  throw new TypeError(`${what} takes one name or several.`);
}
