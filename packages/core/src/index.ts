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
  type CompactJws,
  type JwsAlgorithm,
  type ReadJws,
  readCompactJws,
  signCompactJws,
} from "./compact-jws.js";
export type { Allowed, Caller, Decision, StepResult } from "./decision.js";
export { createDelegation, type Delegation, type DelegationOptions, readDelegation } from "./delegation.js";
export * from "./encoding.js";
export {
  AmeshError,
  type CatalogueEntry,
  catalogue,
  type ErrorCode,
  type Failure,
  failure,
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
export { normalizeHost, splitHosts } from "./host-binding.js";
export { contentDigest } from "./http-signature/content-digest.js";
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
} from "./key-agreement.js";
export { LogThrottle } from "./log-throttle.js";
export { InMemoryNonceStore, type InMemoryNonceStoreOptions } from "./memory-nonce-store.js";
export type { NonceStore } from "./nonce-store.js";
export type { OutgoingRequest } from "./outgoing-request.js";
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
export type { PairingEffect, PairingInput } from "./pairing/vocabulary.js";
export { PrivateKey } from "./private-key.js";
export { deviceIdOf, PublicKey } from "./public-key.js";
export { readPublicKey } from "./read-public-key.js";
export type { RedisCommands } from "./redis-commands.js";
export type { BodyHashAlgorithm, BodyLimits, IncomingRequest } from "./request.js";
export { createRunningHash, type RunningHash, sha256, sha256Hex } from "./running-hash.js";
export { isGrant, narrowScopes, parseRequirement, parseScopes, type Scopes } from "./scopes.js";
export { SessionKey } from "./session-key.js";
export { type RequestSigner, signRequest } from "./sign-request.js";
export {
  type JwsType,
  type Role,
  type SessionSignable,
  type Sign,
  type Signable,
  type SignableRequest,
  signableProbe,
} from "./signable.js";
export { signatureFromDer, signMessage, toLowS, verifyMessage } from "./signature.js";
export { mostSimilar } from "./similar.js";
export { type JsonLimits, parseStrictJson, type StrictJson } from "./strict-json.js";
export { createSuccession, readSuccession, type Succession } from "./succession.js";
export type { TrustedDevice, TrustStore } from "./trust-store.js";
export { authMeshSteps } from "./verify/authmesh-steps.js";
export { httpSignatureSteps } from "./verify/http-signature-steps.js";
export { checkAudience, createVerifier, type Verifier, type VerifierOptions } from "./verify/verifier.js";
