import { type Failure, failure, LogThrottle, newDecisionId } from "@authmesh/core";
import type { OathMeshContext, TokenFailure } from "@authmesh/oath";
import { consoleLogger } from "../logger.js";
import type { RefusalResponse } from "../refusal-response.js";
import type { AuthMeshIdentity } from "../verify-options.js";
import { problemResponse } from "./problem-response.js";
import { type RouteCaller, type RouteRequirement, scopesOf } from "./route-requirement.js";

/** Answers a caller whom a route refuses after all, once that is taken down. */
export type RefuseAtRoute = (refusal: Failure) => RefusalResponse;

interface Admitted {
  readonly caller: RouteCaller;
  readonly refuse: RefuseAtRoute;
}

/** Whom verifiers of this process let in. A context that an application made itself is not among them. */
const admitted = new WeakMap<object, Admitted>();

/** From now on routes may ask of whom a token let in what they require. */
export function admitToken(caller: OathMeshContext, refuse: RefuseAtRoute): void {
  admitted.set(caller, { caller, refuse });
}

/** Likewise of a device. */
export function admitDevice(identity: AuthMeshIdentity, refuse: RefuseAtRoute): void {
  admitted.set(identity, { caller: { scopes: scopesOf(identity.scopes) }, refuse });
}

/**
 * Asks of a caller what a route requires.
 *
 * @param caller the context or the identity as the verifier made it
 * @returns the answer to a request that may not pass
 */
export function refusalOfRoute(
  requirement: RouteRequirement,
  caller: VerifiedCaller | undefined,
): RefusalResponse | undefined {
  const found = caller === undefined ? undefined : admitted.get(caller);
  if (found === undefined) return unverified();
  const refusal = requirement(found.caller);
  return refusal && found.refuse(refusal);
}

/** Whose token a request came with, or which device sent it. */
export type VerifiedCaller = OathMeshContext | AuthMeshIdentity;

/** Of a request behind both verifiers the token counts, which may do less than its device. */
export const callerOfRequest = (request: {
  readonly oathmeshContext?: OathMeshContext;
  readonly authMesh?: AuthMeshIdentity;
}): VerifiedCaller | undefined => request.oathmeshContext ?? request.authMesh;

/** A route's own requirement is the last part of policy. */
export const atRoute = (refusal: Omit<TokenFailure, "step" | "error">): TokenFailure => ({
  ...refusal,
  step: 14,
  error: refusal.code,
});

const throttle = new LogThrottle<string>();

/** A mistake of the application's: nobody passes, whatever the request holds. */
function unverified(): RefusalResponse {
  const [id, mistake] = [newDecisionId(), failure("token_unverified")];
  if (throttle.admit(mistake.code, performance.now()) !== undefined)
    consoleLogger.error(`${mistake.code}: ${mistake.detail}`, { decision: id, fix: mistake.fix });
  return problemResponse({ id, failure: atRoute(mistake) });
}
