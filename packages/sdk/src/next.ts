/**
 * amesh for Next.js 16 (docs/protocol.md, section 2): route handlers, API routes of the Pages Router, `proxy.ts`.
 * Everything runs on Node.js; the edge runtime has no files to keep an allow list in.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticated } from "./admission.js";
import { tapRequests } from "./body/wire-tap.js";
import { protect as protectFetch } from "./fetch.js";
import { readCaller, withCaller } from "./next/caller-header.js";
import { type AuthenticatedMessage, verify } from "./verify-node.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { Authenticated } from "./admission.js";
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
  const admit = unlessBuilding(() => verify(options));
  return async function ameshProtected(request, response) {
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      admit()(request, response, () => resolve());
    });
    if ("authMesh" in request) await handler(request as AuthenticatedMessage<Incoming>, response);
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

/** `next build` loads every route: on a machine that has no identity yet, and to answer nobody. */
function unlessBuilding<T>(create: () => T): () => T {
  let created = process.env["NEXT_PHASE"] === "phase-production-build" ? undefined : create();
  return () => {
    created ??= create();
    return created;
  };
}
