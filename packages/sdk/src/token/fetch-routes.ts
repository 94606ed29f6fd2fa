import type { OathMeshContext } from "@authmesh/oath";
import { asResponse } from "../fetch-gate.js";
import { refusalOfRoute } from "./route-guard.js";
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
 * The answer to a caller whose token lacks one of these scopes; nothing for one that may go on. A scope that is written
 * as "orders:r" or "orders:w" is held by a grant that suffices, too: "orders:rw", "*:rw".
 *
 * @throws TypeError for no scope
 */
export const requireScope = (
  caller: OathMeshContext | undefined,
  ...scopes: readonly string[]
): Response | undefined => check(scopesHeld(scopes), caller);

function check(requirement: RouteRequirement, caller: OathMeshContext | undefined): Response | undefined {
  const refusal = refusalOfRoute(requirement, caller);
  return refusal === undefined ? undefined : asResponse(refusal);
}
