import { timingSafeEqual } from "node:crypto";
import { equalBytes } from "../public-area.js";
import { type Check, readStep, runChecks } from "./checks.js";
import type { CheckedClaim } from "./claim-checks.js";
import type { Answer } from "./messages.js";
import { qualifiedName, readStatement, type Statement } from "./statement.js";

/** What a challenge was made from, kept until it is answered. */
export interface Challenged {
  readonly claim: CheckedClaim;
  readonly nonce: Uint8Array;
  /** What the credential holds. */
  readonly secret: Uint8Array;
}

const answerChecks: readonly Check<Challenged & { readonly answer: Answer }>[] = [
  [
    "secret",
    ({ answer, secret }) =>
      answer.secret.length === secret.length && timingSafeEqual(answer.secret, secret)
        ? undefined
        : "the TPM of the endorsement key did not give out what it was sent",
  ],
  [
    "signature",
    ({ answer, claim }) =>
      claim.attestationKey.verify(answer.statement, answer.signature)
        ? undefined
        : "the statement is not signed by the attestation key",
  ],
];

const statementChecks: readonly Check<Challenged & { readonly statement: Statement }>[] = [
  [
    "nonce",
    ({ statement, nonce }) =>
      equalBytes(statement.nonce, nonce) ? undefined : "the statement was made for another challenge",
  ],
  [
    "signer",
    ({ statement, claim }) =>
      equalBytes(statement.signer, qualifiedName(claim.attestationKeyName))
        ? undefined
        : "the attestation key is no primary key of the endorsement hierarchy",
  ],
  [
    "name",
    ({ statement, claim }) =>
      equalBytes(statement.name, claim.keyName) ? undefined : "the statement is for another key",
  ],
];

/** @throws AmeshError `attestation_refused` */
export function checkAnswer(answer: Answer, challenged: Challenged): Statement {
  runChecks(answerChecks, { ...challenged, answer });
  const statement = readStep("statement", () => readStatement(answer.statement));
  runChecks(statementChecks, { ...challenged, statement });
  return statement;
}
