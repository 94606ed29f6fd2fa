import { AmeshError, type ErrorCode } from "@authmesh/core";
import { type AttestationEvidence, attestationQuestionShape } from "@authmesh/core/enrollment";
import type { OpenIdentity } from "@authmesh/keystore";
import type { AuthorityClient } from "./authority-client.js";
import { readMembers } from "./told.js";

export interface AttestOptions {
  /**
   * Have the TPM prove to the authority that it holds the key, whereby the authority learns which machine it is (the certificate of
   * its endorsement key). `true`: or fail; `false`: not. Default: where the key store and its TPM can.
   */
  readonly attest?: boolean | undefined;
}

/** What the TPM says has no bearing on whether the machine may ask. */
const optional: readonly ErrorCode[] = ["attestation_unavailable", "attestation_refused"];

/**
 * What the TPM of a key says of it to this authority (docs/protocol.md, section 10.10): a member of a body that goes to it within
 * a minute, or none.
 *
 * @throws AmeshError where `attest` is true `attestation_unavailable` and `attestation_refused`; else as `AuthorityClient.ask` and as `sign` of
 * the key
 */
export async function attestKey(
  authority: AuthorityClient,
  key: OpenIdentity,
  { attest }: AttestOptions,
): Promise<{ readonly attestation?: AttestationEvidence }> {
  if (attest === false) return {};
  try {
    return { attestation: await evidenceOf(authority, key) };
  } catch (error) {
    if (attest !== true && error instanceof AmeshError && optional.includes(error.code)) return {};
    throw error;
  }
}

async function evidenceOf(
  authority: AuthorityClient,
  { keyStore, identity, publicKey }: OpenIdentity,
): Promise<AttestationEvidence> {
  const attestation = keyStore.attestation?.(identity.keyAlias);
  if (attestation === undefined)
    throw new AmeshError("attestation_unavailable", `The key is in ${keyStore.info.label}, not in a TPM.`, {
      fix: "Use a key in a TPM: `--backend tpm` where an identity is made, `amesh init --migrate` where there is one.",
    });
  const claim = await attestation.claim();
  const asked = await authority.ask("POST", "/v1/attestations", { publicKey: publicKey.base64, claim });
  const { challenge, question } = readMembers(asked, attestationQuestionShape);
  return { claim, challenge, answer: await attestation.answer(question) };
}
