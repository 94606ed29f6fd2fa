import type { IncomingMessage, ServerResponse } from "node:http";
import { admissionOf } from "./admission.js";
import { nodeRequest } from "./body/node-request.js";
import { sendRefusal } from "./body/send-refusal.js";
import { tapRequests } from "./body/wire-tap.js";
import { createRequestGuard } from "./request-guard.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare global {
  namespace Express {
    interface Request {
      /** Who called. Set by `amesh.verify()`; only behind it. */
      authMesh: AuthMeshIdentity;
    }
  }
}

/** A request behind `verify()`, for servers without a framework. */
export type AuthenticatedRequest = IncomingMessage & { authMesh: AuthMeshIdentity };

/** Middleware of Express, Connect, or plain `node:http`. */
export type VerifyMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware that lets only requests of trusted devices through (docs/protocol.md, section 2).
 *
 * Stands before or after `express.json()`, `express.text()`, `express.raw()` or without any. Create it before the
 * server begins to listen: from then on bodies are hashed as they come off the wire.
 *
 * @example
 * app.use(express.json());
 * app.use(amesh.verify({ audience: "api.example.com" }));
 * app.post("/api/orders", (req, res) => res.json({ from: req.authMesh.friendlyName }));
 *
 * `next` is called without an argument and only for a request that is let in.
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
      (request as AuthenticatedRequest).authMesh = authMesh;
      // On a turn of its own: what a handler throws is the application's, and never leads back here.
      process.nextTick(next);
    });
  };
}
