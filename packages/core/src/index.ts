/**
 * The amesh device protocol: pure functions, no I/O. docs/protocol.md says what each does on the wire.
 *
 * @module
 */

export {
  type AuditEvent,
  type AuditEventFields,
  type AuditEventType,
  type AuditSink,
  auditedText,
  createAuditEvent,
  requestAuditEvent,
} from "./audit-event.js";
export {
  type BootstrapToken,
  type BootstrapTokenOptions,
  bootstrapMeetingCode,
  checkBootstrapToken,
  createBootstrapToken,
  readBootstrapToken,
} from "./bootstrap-token.js";
export { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "./canonical-json.js";
export { buildCanonicalString, canonicalTarget } from "./canonical-string.js";
export {
  type Admission,
  CircuitBreaker,
  type CircuitLimits,
  type CircuitState,
} from "./circuit-breaker.js";
export { type ClientAddress, clientAddress } from "./client-address.js";
export {
  type CompactJws,
  type JwsAlgorithm,
  type JwsHeader,
  type JwsParts,
  type ReadJws,
  readCompactJws,
  readJwsHeader,
  signCompactJws,
  splitCompactJws,
} from "./compact-jws.js";
export { type Allowed, type Caller, type Decision, newDecisionId, type StepResult } from "./decision.js";
export { createDelegation, type Delegation, type DelegationOptions, readDelegation } from "./delegation.js";
export {
  createDeviceRevocation,
  type DeviceRevocation,
  type DeviceRevocationOptions,
  longestDeviceRevocation,
  readDeviceRevocation,
} from "./device-revocation.js";
export { Ed25519PrivateKey, Ed25519PublicKey } from "./ed25519.js";
export * from "./encoding.js";
export {
  AmeshError,
  type CatalogueEntry,
  catalogue,
  type ErrorCode,
  type Failure,
  failure,
  foreignSentence,
  lookUp,
  quoteForeign,
} from "./errors.js";
export {
  checkEventEvidence,
  checkEvidence,
  type Evidence,
  type EvidenceCheck,
  type EvidenceKind,
  type RecordedRequest,
} from "./evidence.js";
export { friendlyName } from "./friendly-name.js";
export { createRunningHash, type RunningHash, sha256, sha256Hex } from "./hash.js";
export { normalizeHost, splitHosts } from "./host-binding.js";
export { contentDigest } from "./http-signature/content-digest.js";
export { bearsHttpSignature } from "./http-signature/profile.js";
export {
  type HttpRequestSigner,
  type HttpSignatureHeaders,
  signHttpRequest,
} from "./http-signature/sign-http-request.js";
export { isoTime } from "./iso-time.js";
export {
  computeSharedSecret,
  deriveSessionKey,
  type EphemeralKeyPair,
  generateEphemeralKeyPair,
  type Random,
  randomBytes,
} from "./key-agreement.js";
export { LogThrottle } from "./log-throttle.js";
export { InMemoryNonceStore, type InMemoryNonceStoreOptions } from "./memory-nonce-store.js";
export { describeNetworkFailure, networkReason } from "./network-failure.js";
export type { NonceStore } from "./nonce-store.js";
export { outageReason } from "./outage-reason.js";
export { hostOf, type OutgoingRequest, targetOf } from "./outgoing-request.js";
export { pairingCooldown, recordPairingFailure } from "./pairing/cooldown.js";
export {
  type BootstrapPairingOptions,
  meetAsController,
  meetAsTarget,
  type PairingHandshake,
  type PairingOptions,
  pairAsController,
  pairAsTarget,
} from "./pairing/handshake.js";
export type { PairingPeer } from "./pairing/identity-statement.js";
export * from "./pairing/one-time-code.js";
export * from "./pairing/relay-messages.js";
export { doWork, drawChallenge, type WorkOptions, workIsDone } from "./pairing/relay-work.js";
export type { PairingEffect, PairingInput } from "./pairing/vocabulary.js";
export { PrivateKey } from "./private-key.js";
export { type ProblemContext, problemDocument, problemType } from "./problem-document.js";
export { jwkOf, type P256Jwk } from "./public-jwk.js";
export { deviceIdOf, PublicKey } from "./public-key.js";
export { readBody } from "./read-body.js";
export { publicKeyOfJwk, readPublicKey } from "./read-public-key.js";
export type { RedisCommands } from "./redis-commands.js";
export type { BodyHashAlgorithm, BodyLimits, IncomingRequest } from "./request.js";
export {
  coversScopes,
  formatScopes,
  isGrant,
  narrowScopes,
  parseRequirement,
  parseScopes,
  requirementOfAction,
  type Scopes,
} from "./scopes.js";
export { SessionKey } from "./session-key.js";
export { type RequestSigner, signRequest } from "./sign-request.js";
export {
  type JwsType,
  type Role,
  type SessionSignable,
  type Sign,
  type Signable,
  type SignableRequest,
  signableChallenge,
  signableFeedRotationProof,
  signableJws,
  signableProbe,
} from "./signable.js";
export { signatureFromDer, signMessage, toLowS, verifyMessage } from "./signature.js";
export { mostSimilar } from "./similar.js";
export { type JsonLimits, parseStrictJson, type StrictJson } from "./strict-json.js";
export { createSuccession, readSuccession, type Succession } from "./succession.js";
export type { TrustedDevice, TrustStore } from "./trust-store.js";
export { authMeshSteps } from "./verify/authmesh-steps.js";
export { httpSignatureSteps } from "./verify/http-signature-steps.js";
export { type ProofName, presentedProofs } from "./verify/proof-kinds.js";
export { checkAudience, type RequestOptions } from "./verify/request-options.js";
export { type KeyProof, type RequestParts, RequestReader } from "./verify/request-reader.js";
export { type CheckStep, runSteps, type StepRefusal } from "./verify/run-steps.js";
export {
  keptLonger,
  type SpendSettings,
  type SpentNonce,
  spendingProblem,
  spendNonce,
} from "./verify/spend-nonce.js";
export { createVerifier, type Verifier, type VerifierOptions } from "./verify/verifier.js";
