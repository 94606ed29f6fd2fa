import type { IncomingMessage } from "node:http";
import { type Authenticated, deviceGate } from "./admission.js";
import type { ProvidedBody } from "./body/node-request.js";
import { gateMiddleware, type VerifyMiddleware } from "./node-gate.js";
import type { VerifyOptions } from "./verify-options.js";

/** A request of Node.js behind the verifier: who called, and its body if it has one. */
export type AuthenticatedMessage<Incoming = IncomingMessage> = Authenticated<Incoming> & ProvidedBody;

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
export const verify = (options: VerifyOptions = {}): VerifyMiddleware => gateMiddleware(deviceGate(options));
