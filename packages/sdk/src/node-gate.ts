import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Gate } from "./admission.js";
import { nodeRequest, type ProvidedBody } from "./body/node-request.js";
import { tapRequests } from "./body/wire-tap.js";
import { sendRefusal } from "./send-refusal.js";

/** Middleware of Express, Connect, or plain `node:http` and `node:http2`. */
export type VerifyMiddleware = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** A gate as middleware: hands on what it lets in, and answers the rest. */
export function gateMiddleware(gate: Gate<object>): VerifyMiddleware {
  tapRequests();
  return function ameshVerify(request, response, next) {
    void gate(nodeRequest(request)).then(({ grant, refusal }) => {
      if (refusal !== undefined) return sendRefusal(response, refusal);
      Object.assign(request, grant);
      // On a turn of its own: what a handler throws is the application's, and never leads back here.
      process.nextTick(next);
    });
  };
}

/** A gate in front of a request listener. */
export function gateListener<
  Grant extends object,
  Incoming extends IncomingMessage | Http2ServerRequest,
  Outgoing extends ServerResponse | Http2ServerResponse,
>(
  handler: (request: Incoming & Grant & ProvidedBody, response: Outgoing) => unknown,
  gate: Gate<Grant>,
): (request: Incoming, response: Outgoing) => void {
  const admit = gateMiddleware(gate);
  return function ameshProtected(request, response) {
    admit(request, response, () => handler(request as Incoming & Grant & ProvidedBody, response));
  };
}
