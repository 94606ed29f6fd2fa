/**
 * amesh for Next.js 16 (docs/protocol.md, sections 2 and 8): route handlers, API routes of the Pages Router, `proxy.ts`.
 * Tokens are verified in the edge runtime too (`next-edge.ts`); devices on Node.js alone, for the edge runtime has no
 * files to keep an allow list in.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticated } from "./admission.js";
import { tapRequests } from "./body/wire-tap.js";
import { protect as protectFetch } from "./fetch.js";
import { readCaller, withCaller } from "./next/caller-header.js";
import { unlessBuilding } from "./next/unless-building.js";
import type { VerifyMiddleware } from "./node-gate.js";
import { type TokenAuthenticatedMessage, verifyToken } from "./token/verify-token-node.js";
import type { VerifyTokenOptions } from "./token/verify-token-options.js";
import { type AuthenticatedMessage, verify } from "./verify-node.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { Authenticated } from "./admission.js";
export { type OathMeshResult, withOathMesh } from "./next/with-oathmesh.js";
export { requireAction, requireScope } from "./token/fetch-routes.js";
export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

/**
 * Wraps a route handler of the App Router, or the function of `proxy.ts`. It gets the very request that came in, its
 * body unread, and further arguments as they are. One request passes one of the two: a nonce is good once.
 *
 * @example
 * export const POST = protect(async (request) => Response.json({ from: request.authMesh.friendlyName }), {
 *   audience: "api.example.com",
 * });
 *
 * @throws TypeError for options that make no sense
 */
export function protect<Rest extends readonly unknown[], Incoming extends Request = Request>(
  handler: (request: Authenticated<Incoming>, ...rest: Rest) => Response | Promise<Response>,
  options: VerifyOptions = {},
): (request: Incoming, ...rest: Rest) => Promise<Response> {
  const guarded = unlessBuilding(() => protectFetch(handler, options));
  return async function ameshProtected(request, ...rest) {
    // Where it prerenders, Next.js learns here that the answer depends on the request, and throws.
    request.headers.get("authorization");
    return guarded()(request, ...rest);
  };
}

/**
 * Wraps an API route of the Pages Router, with Next's body parser or without
 * (`export const config = { api: { bodyParser: false } }`).
 *
 * Without the parser `request.body` and `request.rawBody` are as behind `amesh.verify()`. With it, the verifier needs
 * `register` in `instrumentation.ts`, or else has to do with what the parser left: a body that is not JSON as
 * `JSON.stringify` writes it, or text, is then refused.
 *
 * @example
 * export default protectApi((request, response) => response.json({ from: request.authMesh.friendlyName }));
 *
 * @throws TypeError for options that make no sense
 */
export function protectApi<
  Incoming extends IncomingMessage = IncomingMessage,
  Outgoing extends ServerResponse = ServerResponse,
>(
  handler: (request: AuthenticatedMessage<Incoming>, response: Outgoing) => unknown,
  options: VerifyOptions = {},
): (request: Incoming, response: Outgoing) => Promise<void> {
  return behind(
    unlessBuilding(() => verify(options)),
    (request, response) => handler(request as AuthenticatedMessage<Incoming>, response),
  );
}

/**
 * Wraps an API route of the Pages Router, so that only requests with a good token reach it (docs/protocol.md,
 * section 8). The body is read only for a token that is bound to it; what is said of Next's body parser at `protectApi`
 * holds for those.
 *
 * @example
 * export default protectTokenApi((request, response) => response.json({ by: request.oathmeshContext.principal.subject }), {
 *   audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: "policy.yaml",
 * });
 *
 * @throws TypeError for options that make no sense
 */
export function protectTokenApi<
  Incoming extends IncomingMessage = IncomingMessage,
  Outgoing extends ServerResponse = ServerResponse,
>(
  handler: (request: TokenAuthenticatedMessage<Incoming>, response: Outgoing) => unknown,
  options: VerifyTokenOptions,
): (request: Incoming, response: Outgoing) => Promise<void> {
  return behind(
    unlessBuilding(() => verifyToken(options)),
    (request, response) => handler(request as TokenAuthenticatedMessage<Incoming>, response),
  );
}

/** A handler behind middleware that answers what it does not let in. */
function behind<Incoming extends IncomingMessage, Outgoing extends ServerResponse>(
  admit: () => VerifyMiddleware,
  handler: (request: Incoming, response: Outgoing) => unknown,
): (request: Incoming, response: Outgoing) => Promise<void> {
  return async function ameshProtected(request, response) {
    const admitted = await new Promise<boolean>((resolve) => {
      response.once("close", () => resolve(false));
      admit()(request, response, () => resolve(true));
    });
    if (admitted) await handler(request, response);
  };
}

/**
 * For `instrumentation.ts`: from then on, bodies are hashed as they come off the wire, before any parser.
 *
 * @example
 * export async function register() {
 *   if (process.env.NEXT_RUNTIME === "nodejs") (await import("@authmesh/sdk/next")).register();
 * }
 */
export function register(): void {
  tapRequests();
}

/**
 * For `proxy.ts`: the headers of a verified request, with who called written into them for what comes after. What the
 * caller itself wrote there is replaced.
 *
 * @example
 * export const proxy = protect((request: NextRequest) => NextResponse.next({ request: { headers: callerHeaders(request) } }));
 */
export const callerHeaders = (request: Authenticated<Pick<Request, "headers">>): Headers =>
  withCaller(request.headers, request.authMesh);

/**
 * Who called, as `proxy.ts` wrote it with `callerHeaders`: in route handlers, pages and server components, within a
 * minute of the verification. Undefined for anything else, and where the proxy runs in another process.
 *
 * @param headers `request.headers`, or what `await headers()` gives
 */
export const callerOf = (headers: Pick<Headers, "get">): AuthMeshIdentity | undefined =>
  readCaller(headers, Date.now());
