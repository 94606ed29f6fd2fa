import type { OathMeshContext } from "@authmesh/oath";
import type { Gate } from "../admission.js";
import { problemResponse } from "./problem-response.js";
import { createTokenGuard } from "./token-guard.js";
import type { VerifyTokenOptions } from "./verify-token-options.js";

/** What a request gains by which an application knows whose token it came with. */
export interface TokenGrant {
  readonly oathmeshContext: OathMeshContext;
}

/** A request behind a verifier of tokens, and who called. */
export type TokenAuthenticated<Incoming> = Incoming & TokenGrant;

/** Lets in the requests of whoever has a good token. @throws TypeError for options that make no sense */
export function tokenGate(options: VerifyTokenOptions): Gate<TokenGrant> {
  const guard = createTokenGuard(options);
  return async (request) => {
    const decision = await guard.decide(request);
    return decision.allowed
      ? { grant: { oathmeshContext: decision.caller } }
      : { refusal: problemResponse(decision) };
  };
}
