/**
 * Tokens of at most five minutes: minting them, verifying them in fourteen steps, policy and audit. Runs wherever
 * JavaScript does; what needs files and processes is under `/node`.
 *
 * @module
 */
export * from "./audit/index.js";
export { type ClaimProblem, type ClaimRule, claimProblems, claimRules, sourceRules } from "./claim-rules.js";
export { defaultLife, longestLife, type TokenClaims, type TokenSource } from "./claims.js";
export { combineRevocations } from "./combine-revocations.js";
export { type ImportedIssuerKey, importIssuerKey, staticKeys, thumbprint } from "./issuer-key.js";
export { issuerProblem, originProblem, trustworthyUrl } from "./issuer-url.js";
export {
  createJwksSource,
  type ImportKey,
  type JwksEvent,
  type JwksIssuer,
  type JwksSource,
  type JwksSourceOptions,
} from "./jwks-source.js";
export type { IssuerKey, JwkSet, KeySource, PublicJwk, TokenAlgorithm, TokenSigner } from "./keys.js";
export { type ClaimsToMint, type MintedToken, type MintOptions, mintToken } from "./mint-token.js";
export { compilePolicy } from "./policy/compile-policy.js";
export { compileGlob, type Glob } from "./policy/glob.js";
export { isPlainPath } from "./policy/plain-path.js";
export {
  type Patterns,
  type PolicyDocument,
  type PolicyRule,
  policySchema,
  type RuleSource,
} from "./policy/policy-document.js";
export type {
  ConditionTrace,
  PolicyDecision,
  PolicyEngine,
  PolicyInput,
  PolicySource,
  PolicyTrace,
  RuleTrace,
} from "./policy/policy-engine.js";
export { type PolicyDifference, type ShadowCounts, type ShadowPolicy, shadow } from "./policy/shadow.js";
export { type RuleTime, type Weekday, weekdays } from "./policy/time-window.js";
export {
  type PollEvent,
  type PolledRevocations,
  type PollRevocationsOptions,
  pollRevocations,
} from "./poll-revocations.js";
export { type ReadToken, readToken } from "./read-token.js";
export { RedisRevocationList, type RedisRevocationListOptions } from "./redis-revocation-list.js";
export { RedisRevocationWriter, type RedisRevocationWriterOptions } from "./redis-revocation-writer.js";
export { InMemoryReplayCache, type InMemoryReplayCacheOptions } from "./replay.js";
export { type HashedRequest, requestHash, requestHashOf } from "./request-hash.js";
export { type RevocationPage, readRevocationPage } from "./revocation/revocation-page.js";
export type {
  RevocableToken,
  Revocation,
  RevocationChange,
  RevocationKey,
  RevocationSource,
  RevocationSubject,
} from "./revocation.js";
export { createRevocationList, type RevocationList, type RevocationListOptions } from "./revocation-list.js";
export { createEd25519Signer, createP256Signer, createRemoteSigner, type RemoteKey } from "./signers.js";
export type {
  OathMeshContext,
  TokenAllowed,
  TokenDecision,
  TokenFailure,
  TokenRefused,
} from "./token-decision.js";
export type { TokenUse } from "./verify/context.js";
export {
  type ShadowDecision,
  type TokenVerifierOptions,
  tokenVerifierOptionNames,
} from "./verify/options.js";
export { presentedToken } from "./verify/presented-token.js";
export { tokenErrorCodes } from "./verify/refusals.js";
export { createTokenVerifier, type TokenVerifier, tokenSteps } from "./verify/verifier.js";
