import { type RecordOf, record, text } from "../records.js";
import { challengeText } from "./challenge-answer.js";
import { publicKeyText } from "./enrollment-request.js";

/** A message of section 12, which is read where it is judged. */
const message = (name: string) => text(/^[\s\S]{1,40960}$/, `the ${name} of an attestation`);
const claim = message("claim");

/** What a device says of its key before it is asked (docs/protocol.md, section 10.10). @throws Misfit */
export const readAttestationClaim = record({ publicKey: publicKeyText, claim });

export const attestationQuestionShape = {
  /** Of section 10.3, of the purpose `attest`. */
  challenge: challengeText,
  /** The challenge of section 12.5. */
  question: message("challenge"),
};

const evidenceShape = { claim, challenge: challengeText, answer: message("answer") };

/** What a device's TPM says of its key, with a request or a rotation. */
export type AttestationEvidence = Readonly<RecordOf<typeof evidenceShape>>;

/** @throws Misfit */
export const readAttestationEvidence = record(evidenceShape);
