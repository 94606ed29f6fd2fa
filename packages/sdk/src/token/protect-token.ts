import { gateFetch } from "../fetch-gate.js";
import { type TokenAuthenticated, tokenGate } from "./token-gate.js";
import type { VerifyTokenOptions } from "./verify-token-options.js";

/**
 * Wraps a handler of the Fetch standard, so that only requests with a good token reach it (docs/protocol.md, section 8).
 * It gets the very request that came in, its body unread, and further arguments as they are. Runs wherever fetch does.
 *
 * @example
 * Deno.serve(protectToken((request) => Response.json({ by: request.oathmeshContext.principal.subject }), {
 *   audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: engine,
 * }));
 *
 * @throws TypeError for options that make no sense
 */
export function protectToken<Rest extends readonly unknown[], Incoming extends Request = Request>(
  handler: (request: TokenAuthenticated<Incoming>, ...rest: Rest) => Response | Promise<Response>,
  options: VerifyTokenOptions,
): (request: Incoming, ...rest: Rest) => Promise<Response> {
  return gateFetch(handler, tokenGate(options));
}
