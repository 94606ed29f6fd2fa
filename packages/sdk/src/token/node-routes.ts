import type { VerifyMiddleware } from "../node-gate.js";
import { sendRefusal } from "../send-refusal.js";
import { callerOfRequest, refusalOfRoute } from "./route-guard.js";
import { actionIs, type RouteRequirement, scopesHeld } from "./route-requirement.js";

/**
 * Middleware behind `verifyToken` that lets only tokens for this action through, or for one of these.
 *
 * @example
 * app.post("/api/orders", requireAction("orders.write"), createOrder);
 *
 * @throws TypeError for no action
 */
export const requireAction = (...actions: readonly string[]): VerifyMiddleware =>
  routeMiddleware(actionIs(actions));

/**
 * Middleware behind `amesh.verify` or `verifyToken` that lets only devices, or tokens, through that hold every one of
 * these scopes. One that is written as "orders:r" or "orders:w" is held by a grant that suffices, too: "orders:rw", "*:rw".
 *
 * @throws TypeError for no scope
 */
export const requireScope = (...scopes: readonly string[]): VerifyMiddleware =>
  routeMiddleware(scopesHeld(scopes));

const routeMiddleware = (requirement: RouteRequirement): VerifyMiddleware =>
  function ameshRoute(request, response, next) {
    const refusal = refusalOfRoute(
      requirement,
      callerOfRequest(request as Parameters<typeof callerOfRequest>[0]),
    );
    if (refusal === undefined) next();
    else sendRefusal(response, refusal);
  };
