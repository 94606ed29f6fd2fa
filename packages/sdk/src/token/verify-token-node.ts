import type { IncomingMessage } from "node:http";
import type { ProvidedBody } from "../body/node-request.js";
import { gateMiddleware, type VerifyMiddleware } from "../node-gate.js";
import { type TokenAuthenticated, tokenGate } from "./token-gate.js";
import type { VerifyTokenOptions } from "./verify-token-options.js";

/** A request of Node.js behind the verifier of tokens: who called, and its body if that was read. */
export type TokenAuthenticatedMessage<Incoming = IncomingMessage> = TokenAuthenticated<Incoming> &
  ProvidedBody;

/**
 * Middleware that lets only requests with a good token through (docs/protocol.md, section 8).
 *
 * The body is read only for a token that is bound to it. Like `amesh.verify` it stands before or after a body parser, is
 * created before the server begins to listen, and calls `next` without an argument and only for a request that is
 * let in.
 *
 * @example
 * app.use(verifyToken({ audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: "policy.yaml" }));
 * app.post("/api/orders", requireAction("orders.write"), (req, res) => res.json({ by: req.oathmeshContext.principal.subject }));
 *
 * @throws TypeError for options that make no sense
 */
export const verifyToken = (options: VerifyTokenOptions): VerifyMiddleware =>
  gateMiddleware(tokenGate(options));
