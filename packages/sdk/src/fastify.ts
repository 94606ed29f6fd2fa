import type { FastifyPluginAsync, onRequestAsyncHookHandler } from "fastify";
import { deviceGate } from "./admission.js";
import { gatePlugin, replyWith } from "./fastify-gate.js";
import { callerOfRequest, refusalOfRoute } from "./token/route-guard.js";
import { actionIs, type RouteRequirement, scopesHeld } from "./token/route-requirement.js";
import { type TokenGrant, tokenGate } from "./token/token-gate.js";
import type { VerifyTokenOptions } from "./token/verify-token-options.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who called. Set by `verify`; only behind it. */
    authMesh: AuthMeshIdentity;
    /** Whose token the request came with. Set by `verifyToken`; only behind it. */
    oathmeshContext: TokenGrant["oathmeshContext"];
    /** The bytes of the body as received, if there is one. Set by `verify`. */
    rawBody?: Buffer;
  }
}

/**
 * Plugin of Fastify that lets only requests of trusted devices through (docs/protocol.md, section 2).
 *
 * It guards the context it is registered in, with all contexts within, and nothing else: the root for the whole
 * server, a plugin of your own for the routes of that plugin. It works in the hook `onRequest`, before all parsing and
 * validation and before the hooks that are added after it; parsers read the body as if nobody had.
 * `maxBodyBytes` is the server's `bodyLimit` unless given.
 *
 * @example
 * await app.register(verify, { audience: "api.example.com" });
 * app.post("/api/orders", (request) => ({ from: request.authMesh.friendlyName }));
 *
 * @throws TypeError, when it is registered, for options that make no sense
 */
export const verify: FastifyPluginAsync<VerifyOptions> = gatePlugin<VerifyOptions>("authMesh", deviceGate);

/**
 * Plugin of Fastify that lets only requests with a good token through (docs/protocol.md, section 8). It guards the
 * context it is registered in, in the hook `onRequest`, as `verify` does; the body is read only for a token that is
 * bound to it.
 *
 * @example
 * await app.register(verifyToken, { audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: "policy.yaml" });
 * app.post("/api/orders", { onRequest: requireAction("orders.write") }, (request) => ({ by: request.oathmeshContext.principal.subject }));
 *
 * @throws TypeError, when it is registered, for options that make no sense
 */
export const verifyToken: FastifyPluginAsync<VerifyTokenOptions> = gatePlugin<VerifyTokenOptions>(
  "oathmeshContext",
  tokenGate,
);

/** Hook behind `verifyToken` that lets only tokens for one of these actions through. @throws TypeError for none */
export const requireAction = (...actions: readonly string[]): onRequestAsyncHookHandler =>
  routeHook(actionIs(actions));

/**
 * Hook behind `verify` or `verifyToken` that lets only devices, or tokens, through that hold every one of these scopes. One that is written as
 * "orders:r" or "orders:w" is held by a grant that suffices, too: "orders:rw", "*:rw".
 *
 * @throws TypeError for none
 */
export const requireScope = (...scopes: readonly string[]): onRequestAsyncHookHandler =>
  routeHook(scopesHeld(scopes));

const routeHook = (requirement: RouteRequirement): onRequestAsyncHookHandler =>
  async function ameshRoute(request, reply) {
    const refusal = refusalOfRoute(requirement, callerOfRequest(request));
    return refusal === undefined ? undefined : replyWith(refusal, request, reply);
  };
