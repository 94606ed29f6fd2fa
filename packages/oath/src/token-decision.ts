import type { Failure, PublicKey, StepResult } from "@authmesh/core";
import type { TokenClaims, TokenSource } from "./claims.js";

/** Who called, as a verified token says: `req.oathmeshContext`. Plain, frozen data. */
export interface OathMeshContext {
  readonly principal: {
    /** "svc://billing/worker" */
    readonly subject: string;
    readonly issuer: string;
    readonly tenant?: string;
  };
  /** What the token is for: "orders.write". */
  readonly action: string;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly tokenId: string;
  readonly source?: TokenSource;
  readonly environment?: string;
  readonly reason?: string;
  /** Unix seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly verifiedAt: number;
  /** Whether the token is good for this request alone (`rqh`), and whether its holder signed the request (`cnf`). */
  readonly bound: { readonly request: boolean; readonly key: boolean };
  /** Name of the policy rule that allowed it. */
  readonly rule?: string;
}

/** What the token verifier decided, and every step on the way. */
export type TokenDecision = TokenAllowed | TokenRefused;

interface TokenDecided {
  /** To find one decision in a log. */
  readonly id: string;
  readonly steps: readonly StepResult[];
  /** The request's target, where there was a request. */
  readonly target?: string;
}

export interface TokenAllowed extends TokenDecided {
  readonly allowed: true;
  readonly caller: OathMeshContext;
  readonly claims: TokenClaims;
  /** The issuer's key that signed it. */
  readonly kid: string;
  /** The key that signed the request, where the token names one (`cnf`). */
  readonly holder?: PublicKey;
}

export interface TokenRefused extends TokenDecided {
  readonly allowed: false;
  readonly failure: TokenFailure;
  /** Id of the decision that let the caller in, where the audit had no place for that. */
  readonly after?: string;
  /** What the token claimed, as far as it was read; `verified` says whether the signature had been found right. */
  readonly claimed?: { readonly claims: Partial<TokenClaims>; readonly verified: boolean };
}

/** A failure of the catalogue, at a step of docs/protocol.md, section 8.4. */
export interface TokenFailure extends Failure {
  /** 1 to 14; 13.5 is revocation. */
  readonly step: number;
  /** As the caller is told: the code, and behind a colon the claim it is about: "claim_missing:aud". */
  readonly error: string;
}
