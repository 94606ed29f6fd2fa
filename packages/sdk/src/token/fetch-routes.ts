import type { OathMeshContext } from "@authmesh/oath";
import { asResponse } from "../fetch-gate.js";
import { refusalOfRoute, type VerifiedCaller } from "./route-guard.js";
import { actionIs, type RouteRequirement, scopesHeld } from "./route-requirement.js";

/**
 * The answer to a caller whose token is for none of these actions; nothing for one that may go on.
 *
 * @param caller as the verifier made it: `request.oathmeshContext`, or `caller` of `withOathMesh`
 *
 * @example
 * const refusal = requireAction(request.oathmeshContext, "orders.write");
 * if (refusal) return refusal;
 *
 * @throws TypeError for no action
 */
export const requireAction = (
  caller: OathMeshContext | undefined,
  ...actions: readonly string[]
): Response | undefined => check(actionIs(actions), caller);

/**
 * The answer to a caller who lacks one of these scopes, by token or as a device; nothing for one that may go on. A scope that is written
 * as "orders:r" or "orders:w" is held by a grant that suffices, too: "orders:rw", "*:rw".
 *
 * @param caller as the verifier made it: `request.oathmeshContext`, or `request.authMesh`
 * @throws TypeError for no scope
 */
export const requireScope = (
  caller: VerifiedCaller | undefined,
  ...scopes: readonly string[]
): Response | undefined => check(scopesHeld(scopes), caller);

function check(requirement: RouteRequirement, caller: VerifiedCaller | undefined): Response | undefined {
  const refusal = refusalOfRoute(requirement, caller);
  return refusal === undefined ? undefined : asResponse(refusal);
}
