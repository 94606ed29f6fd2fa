import type { MiddlewareHandler } from "hono";
import { deviceGate } from "./admission.js";
import { asResponse } from "./fetch-gate.js";
import { gateHono } from "./hono-gate.js";
import { callerOfRequest, refusalOfRoute } from "./token/route-guard.js";
import { actionIs, type RouteRequirement, scopesHeld } from "./token/route-requirement.js";
import { type TokenGrant, tokenGate } from "./token/token-gate.js";
import type { VerifyTokenOptions } from "./token/verify-token-options.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare module "hono" {
  interface ContextVariableMap {
    /** Who called. Set by `verify()`; only behind it. */
    authMesh: AuthMeshIdentity;
    /** Whose token the request came with. Set by `verifyToken()`; only behind it. */
    oathmeshContext: TokenGrant["oathmeshContext"];
  }
}

/**
 * Middleware of Hono that lets only requests of trusted devices through (docs/protocol.md, section 2), on every
 * runtime that Hono runs on.
 *
 * It stands before whatever reads the body; what comes after it reads the body as if nobody had. Works at the root,
 * under `basePath` and in applications given to `route`. An application given to `mount` sees a shortened path: put
 * `verify()` in front of `mount`, or name the prefix in the option `pathPrefix`.
 *
 * @example
 * app.use("/api/*", verify({ audience: "api.example.com" }));
 * app.post("/api/orders", (c) => c.json({ from: c.get("authMesh").friendlyName }));
 *
 * @throws TypeError for options that make no sense
 */
export const verify = (options: VerifyOptions = {}): MiddlewareHandler =>
  gateHono(deviceGate(options), (context, { authMesh }) => context.set("authMesh", authMesh));

/**
 * Middleware of Hono that lets only requests with a good token through (docs/protocol.md, section 8), on every runtime
 * that Hono runs on. The body is read only for a token that is bound to it, and what comes after reads it as if nobody
 * had.
 *
 * @example
 * app.use("/api/*", verifyToken({ audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: engine }));
 * app.post("/api/orders", requireAction("orders.write"), (c) => c.json({ by: c.get("oathmeshContext").principal.subject }));
 *
 * @throws TypeError for options that make no sense
 */
export const verifyToken = (options: VerifyTokenOptions): MiddlewareHandler =>
  gateHono(tokenGate(options), (context, { oathmeshContext }) =>
    context.set("oathmeshContext", oathmeshContext),
  );

/** Middleware behind `verifyToken` that lets only tokens for one of these actions through. @throws TypeError for none */
export const requireAction = (...actions: readonly string[]): MiddlewareHandler =>
  routeMiddleware(actionIs(actions));

/**
 * Middleware behind `verify` or `verifyToken` that lets only devices, or tokens, through that hold every one of these
 * scopes. One that is written as "orders:r" or "orders:w" is held by a grant that suffices, too: "orders:rw", "*:rw".
 *
 * @throws TypeError for none
 */
export const requireScope = (...scopes: readonly string[]): MiddlewareHandler =>
  routeMiddleware(scopesHeld(scopes));

const routeMiddleware = (requirement: RouteRequirement): MiddlewareHandler =>
  async function ameshRoute(context, next) {
    const refusal = refusalOfRoute(requirement, callerOfRequest(context.var));
    return refusal === undefined ? next() : asResponse(refusal);
  };
