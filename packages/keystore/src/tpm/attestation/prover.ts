import { randomBytes } from "node:crypto";
import { createPrimary, type WrappedObject } from "../commands.js";
import { attestationKeyTemplate } from "../public-area.js";
import type { Tpm } from "../tpm.js";
import {
  activateCredential,
  certify,
  policyEndorsement,
  readPublic,
  type SignedStatement,
  startPolicySession,
} from "./commands.js";
import { chooseEndorsementKey } from "./endorsement-certificates.js";
import { endorsementKeyKinds } from "./endorsement-key.js";
import type { Answer, Challenge, Claim } from "./messages.js";

/**
 * The device's half. The attestation key is a primary key of the endorsement hierarchy, so that there is nothing to
 * keep, and the TPM names its firmware in what that key signs. A TPM may have room for three objects only: no more
 * are loaded at once.
 */
const attestationKey = createPrimary("endorsement", attestationKeyTemplate);

/** What a TPM says of a key and of itself, before anybody has asked for a proof. */
export async function makeClaim(tpm: Tpm, key: WrappedObject): Promise<Claim> {
  const { area, certificates } = await chooseEndorsementKey(tpm);
  return {
    key: key.public,
    attestationKey: await tpm.holding(attestationKey, (handle) => tpm.execute(readPublic(handle))),
    endorsementKey: area,
    certificates,
  };
}

export function answerChallenge(tpm: Tpm, key: WrappedObject, challenge: Challenge): Promise<Answer> {
  return tpm.holding(attestationKey, async (handle) => ({
    id: challenge.id,
    secret: await activate(tpm, handle, challenge),
    ...(await prove(tpm, handle, key, challenge.nonce)),
  }));
}

const prove = (tpm: Tpm, by: number, key: WrappedObject, nonce: Uint8Array): Promise<SignedStatement> =>
  tpm.holdingWrapped(key, (handle) => tpm.execute(certify(handle, by, nonce)));

function activate(tpm: Tpm, beside: number, { endorsementKey, credential }: Challenge): Promise<Uint8Array> {
  const { template, needsPolicy, hash } = endorsementKeyKinds[endorsementKey];
  return tpm.holding(createPrimary("endorsement", template), async (handle) => {
    if (!needsPolicy) return tpm.execute(activateCredential(beside, handle, credential));
    return tpm.holding(startPolicySession(hash, randomBytes(16)), async (session) => {
      await tpm.execute(policyEndorsement(session));
      return tpm.execute(activateCredential(beside, { handle, session }, credential));
    });
  });
}
