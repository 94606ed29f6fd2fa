/**
 * amesh for servers of `node:http` and `node:http2`, and for WebSocket upgrades (docs/protocol.md, sections 2 and 8).
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { deviceGate } from "./admission.js";
import { gateListener } from "./node-gate.js";
import { tokenGate } from "./token/token-gate.js";
import { type TokenAuthenticatedMessage, verifyToken } from "./token/verify-token-node.js";
import type { VerifyTokenOptions } from "./token/verify-token-options.js";
import { type AuthenticatedMessage, verify } from "./verify-node.js";
import type { VerifyOptions } from "./verify-options.js";

export type { VerifyMiddleware } from "./node-gate.js";
export { requireAction, requireScope } from "./token/node-routes.js";
export type { TokenAuthenticatedMessage } from "./token/verify-token-node.js";
export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export { protectUpgrade, type UpgradeHandler } from "./upgrade.js";
export type { AuthenticatedMessage } from "./verify-node.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";
export { verify, verifyToken };

/**
 * Wraps a request listener, so that only requests of trusted devices reach it.
 *
 * Behind it `request.authMesh` says who called and, if there is a body, `request.rawBody` holds its bytes and
 * `request.body` what they say: JSON parsed, text as a string, anything else as a Buffer. Over HTTP/1.1 the stream
 * can still be read; over HTTP/2 it has been. Create it before the server begins to listen.
 *
 * @example
 * createServer(protect((request, response) => response.end(request.authMesh.friendlyName), { audience: "api.example.com" }));
 *
 * @example
 * // TypeScript infers the types of HTTP/2 from the event; in createSecureServer(tls, protect(…)) they must be named.
 * createSecureServer(tls).on("request", protect((request, response) => response.end(request.authMesh.friendlyName)));
 *
 * @throws TypeError for options that make no sense
 */
export function protect<
  Incoming extends IncomingMessage | Http2ServerRequest = IncomingMessage,
  Outgoing extends ServerResponse | Http2ServerResponse = ServerResponse,
>(
  handler: (request: AuthenticatedMessage<Incoming>, response: Outgoing) => unknown,
  options: VerifyOptions = {},
): (request: Incoming, response: Outgoing) => void {
  return gateListener(handler, deviceGate(options));
}

/**
 * Wraps a request listener, so that only requests with a good token reach it (docs/protocol.md, section 8). Behind it
 * `request.oathmeshContext` says who called; the body is read only for a token that is bound to it, and then is there
 * as behind `protect`. Create it before the server begins to listen.
 *
 * @example
 * createServer(protectToken((request, response) => response.end(request.oathmeshContext.principal.subject), {
 *   audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: "policy.yaml",
 * }));
 *
 * @throws TypeError for options that make no sense
 */
export function protectToken<
  Incoming extends IncomingMessage | Http2ServerRequest = IncomingMessage,
  Outgoing extends ServerResponse | Http2ServerResponse = ServerResponse,
>(
  handler: (request: TokenAuthenticatedMessage<Incoming>, response: Outgoing) => unknown,
  options: VerifyTokenOptions,
): (request: Incoming, response: Outgoing) => void {
  return gateListener(handler, tokenGate(options));
}
