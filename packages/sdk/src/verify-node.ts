import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type Authenticated, admissionOf } from "./admission.js";
import { nodeRequest, type ProvidedBody } from "./body/node-request.js";
import { tapRequests } from "./body/wire-tap.js";
import { createRequestGuard } from "./request-guard.js";
import { sendRefusal } from "./send-refusal.js";
import type { VerifyOptions } from "./verify-options.js";

/** A request of Node.js behind the verifier: who called, and its body if it has one. */
export type AuthenticatedMessage<Incoming = IncomingMessage> = Authenticated<Incoming> & ProvidedBody;

/** Middleware of Express, Connect, or plain `node:http` and `node:http2`. */
export type VerifyMiddleware = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware that lets only requests of trusted devices through (docs/protocol.md, section 2).
 *
 * Stands before or after `express.json()`, `express.text()`, `express.raw()` or without any. Create it before the
 * server begins to listen: from then on bodies are hashed as they come off the wire. `next` is called without an
 * argument and only for a request that is let in.
 *
 * @example
 * app.use(express.json());
 * app.use(amesh.verify({ audience: "api.example.com" }));
 * app.post("/api/orders", (req, res) => res.json({ from: req.authMesh.friendlyName }));
 *
 * @throws TypeError for options that make no sense
 */
export function verify(options: VerifyOptions = {}): VerifyMiddleware {
  tapRequests();
  const guard = createRequestGuard(options);
  return function ameshVerify(request, response, next) {
    void guard.decide(nodeRequest(request)).then((decision) => {
      const { authMesh, refusal } = admissionOf(decision);
      if (refusal !== undefined) return sendRefusal(response, refusal);
      Object.assign(request, { authMesh });
      // On a turn of its own: what a handler throws is the application's, and never leads back here.
      process.nextTick(next);
    });
  };
}
