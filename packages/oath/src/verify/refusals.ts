import { type ErrorCode, failure } from "@authmesh/core";
import type { TokenRefusal } from "./context.js";

/** The codes that only tokens raise. They are about the caller's own token, so the caller is told all of them. */
export const tokenErrorCodes = [
  "token_malformed",
  "algorithm_not_allowed",
  "issuer_untrusted",
  "claim_missing",
  "claim_invalid",
  "key_unknown",
  "token_expired",
  "lifetime_exceeded",
  "token_not_yet_valid",
  "audience_mismatch",
  "binding_mismatch",
  "binding_required",
  "revoked",
  "policy_denied",
] as const satisfies readonly ErrorCode[];

export const aboutClaim = (
  code: "claim_missing" | "claim_invalid",
  claim: string,
  detail: string,
): TokenRefusal => ({ ...failure(code, detail), claim });

/** No header, or none of this scheme. */
export const noToken = (detail: string): TokenRefusal => aboutClaim("claim_missing", "token", detail);
