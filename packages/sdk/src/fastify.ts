import type { FastifyPluginAsync } from "fastify";
import { deviceGate } from "./admission.js";
import { gatePlugin } from "./fastify-gate.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who called. Set by `verify`; only behind it. */
    authMesh: AuthMeshIdentity;
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
export const verify: FastifyPluginAsync<VerifyOptions> = gatePlugin("authMesh", deviceGate);
