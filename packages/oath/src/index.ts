/**
 * Tokens of at most five minutes: minting them, verifying them in fourteen steps, policy and audit. Runs wherever
 * JavaScript does; what needs files and processes is under `/node`.
 *
 * @module
 */
export { defaultLife, longestLife, type TokenClaims, type TokenSource } from "./claims.js";
export type { IssuerKey, JwkSet, KeySource, PublicJwk, TokenAlgorithm, TokenSigner } from "./keys.js";
export type {
  ConditionTrace,
  PolicyDecision,
  PolicyEngine,
  PolicyInput,
  PolicySource,
  PolicyTrace,
  RuleTrace,
} from "./policy/policy-engine.js";
export type { RevocableToken, Revocation, RevocationSource, RevocationSubject } from "./revocation.js";
export type {
  OathMeshContext,
  TokenAllowed,
  TokenDecision,
  TokenFailure,
  TokenRefused,
} from "./token-decision.js";
