import { type Authenticated, deviceGate } from "./admission.js";
import { gateFetch } from "./fetch-gate.js";
import type { VerifyOptions } from "./verify-options.js";

export { requireAction, requireScope } from "./token/fetch-routes.js";
export { protectToken } from "./token/protect-token.js";
export type { TokenAuthenticated } from "./token/token-gate.js";
export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

/** A request behind `protect()`: the one that came in, its body unread, and who called. */
export type AuthenticatedRequest<Incoming extends Request = Request> = Authenticated<Incoming>;

/**
 * Wraps a handler of the Fetch standard, so that only requests of trusted devices reach it (docs/protocol.md,
 * section 2): `Bun.serve`, `Deno.serve`, Workers, any other.
 *
 * The body is read once to be verified, at most `maxBodyBytes` of it; the handler gets the very request that came in
 * and reads its body as if nobody had. Further arguments are passed on. Where there are no files, as in Workers,
 * `allowList` must be a `TrustStore`.
 *
 * @example
 * Deno.serve(protect((request) => Response.json({ from: request.authMesh.friendlyName }), { audience: "api.example.com" }));
 *
 * @throws TypeError for options that make no sense
 */
export function protect<Rest extends readonly unknown[], Incoming extends Request = Request>(
  handler: (request: AuthenticatedRequest<Incoming>, ...rest: Rest) => Response | Promise<Response>,
  options: VerifyOptions = {},
): (request: Incoming, ...rest: Rest) => Promise<Response> {
  return gateFetch(handler, deviceGate(options));
}
