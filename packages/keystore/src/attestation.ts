/**
 * Whether the key of a device is in a TPM, for whoever has no TPM of their own (docs/protocol.md, section 12). The
 * device's half is `attestation` of its key store.
 *
 * @module
 */

export {
  type AttestationUnderWay,
  createStatelessAttestationVerifier,
  type StatelessAttestationVerifier,
  type StatelessAttestationVerifierOptions,
} from "./tpm/attestation/stateless-verifier.js";
export type {
  AttestationVerdict,
  ClaimedAttestation,
  ProvenAttestation,
} from "./tpm/attestation/verdict.js";
export {
  type AttestationVerifier,
  type AttestationVerifierOptions,
  createAttestationVerifier,
} from "./tpm/attestation/verifier.js";
