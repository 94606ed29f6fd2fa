import type { OathMeshContext } from "@authmesh/oath";
import { fetchRequest } from "../body/fetch-request.js";
import { asResponse } from "../fetch-gate.js";
import { tokenGate } from "../token/token-gate.js";
import type { VerifyTokenOptions } from "../token/verify-token-options.js";
import { unlessBuilding } from "./unless-building.js";

/** Who called, or the answer to a request without a good token. */
export type OathMeshResult =
  | { readonly caller: OathMeshContext; readonly error?: never }
  | { readonly caller?: never; readonly error: Response };

/**
 * Verifies the tokens of requests (docs/protocol.md, section 8) in route handlers of the App Router, in `proxy.ts`, and
 * in functions of the edge runtime, where `policy` is an engine or "none" and each instance remembers by itself which
 * tokens were used: give it a shared `replay`, or `requireRequestBinding`.
 *
 * @example
 * const oathmesh = withOathMesh({ audience: "orders", trustedIssuers: ["https://tokens.example.com"], policy: "policy.yaml" });
 * export async function GET(request: NextRequest) {
 *   const { caller, error } = await oathmesh(request);
 *   if (error) return error;
 *   return NextResponse.json({ subject: caller.principal.subject });
 * }
 *
 * @throws TypeError for options that make no sense
 */
export function withOathMesh(options: VerifyTokenOptions): (request: Request) => Promise<OathMeshResult> {
  const gate = unlessBuilding(() => tokenGate(options));
  return async function ameshOathMesh(request) {
    // Where it prerenders, Next.js learns here that the answer depends on the request, and throws.
    request.headers.get("authorization");
    const { grant, refusal } = await gate()(fetchRequest(request));
    return refusal === undefined ? { caller: grant.oathmeshContext } : { error: asResponse(refusal) };
  };
}
