import { randomBytes } from "node:crypto";
import { AmeshError, PublicKey, type Random, toBase64Url } from "@authmesh/core";
import { type Challenged, checkAnswer } from "./answer-checks.js";
import { refused } from "./checks.js";
import { checkClaim } from "./claim-checks.js";
import { makeCredential } from "./credential.js";
import { readAnswer, readClaim, writeMessage } from "./messages.js";
import { readPemCertificates } from "./pem-certificates.js";
import { type AttestationVerdict, verdictOf } from "./verdict.js";

export interface AttestationVerifierOptions {
  /** Certificates of the manufacturers of TPMs that are trusted: PEM, each text one or more. */
  readonly roots: readonly string[];
  /** Certificates between those and the TPMs, where devices do not bring them along: PEM. Default none. */
  readonly intermediates?: readonly string[] | undefined;
  /** How long a challenge may be answered, 1 to 3,600. Default 60. */
  readonly lifetimeSeconds?: number | undefined;
  /**
   * How many challenges may be open at once, 1 to 1,000,000; each takes about 10 KiB. When there are so many, the oldest to
   * a claim without a certificate gives way: it could have proven nothing. Default 1,000.
   */
  readonly maxOpen?: number | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Default `node:crypto`. */
  readonly random?: Random | undefined;
}

/** Finds out whether keys of devices are in TPMs. It keeps its open challenges in memory. */
export interface AttestationVerifier {
  /**
   * The challenge to a claim.
   *
   * @param claim as the device's `attestation(alias).claim()` gave it
   * @param publicKey the key that is to be proven
   * @returns what the device's `attestation(alias).answer()` takes
   * @throws AmeshError `attestation_refused`; `verifier_busy` when too many challenges are open, whatever the claim is worth
   */
  challenge(claim: string, publicKey: PublicKey): string;

  /**
   * What an answer proves. A challenge is used up by its first answer, right or wrong.
   *
   * @throws AmeshError `attestation_refused`
   */
  check(answer: string): AttestationVerdict;
}

/**
 * The verifier of docs/protocol.md, section 12. It needs no TPM, no file and no network.
 *
 * @throws AmeshError `invalid_option` when `roots` or `intermediates` hold no certificates; TypeError for numbers out of
 * their range
 *
 * @example
 * const verifier = createAttestationVerifier({ roots: [await readFile("tpm-roots.pem", "utf8")] });
 * const challenge = verifier.challenge(claim, publicKey);  // send it; the device answers
 * const verdict = verifier.check(answer);                  // { proven: true, manufacturer: "INTC", … }
 */
export function createAttestationVerifier(options: AttestationVerifierOptions): AttestationVerifier {
  const { lifetimeSeconds = 60, maxOpen = 1_000, now = Date.now, random = randomBytes } = options;
  checkRange("lifetimeSeconds", lifetimeSeconds, 3_600);
  checkRange("maxOpen", maxOpen, 1_000_000);
  const authorities = {
    roots: readPemCertificates(options.roots, "roots"),
    intermediates: readPemCertificates(options.intermediates ?? [], "intermediates"),
  };
  const open = new Map<string, Challenged & { readonly since: number }>(); // the oldest first
  const uncertified = new Set<string>(); // those of them that can prove nothing, the oldest first

  // A clock that was set back ends a challenge, too.
  const isOver = (since: number, at: number) => !(since <= at && at <= since + 1000 * lifetimeSeconds);

  function makeRoom(at: number): void {
    for (const [id, { since }] of open) {
      if (!isOver(since, at)) break;
      open.delete(id);
      uncertified.delete(id);
    }
    if (open.size < maxOpen) return;
    const [oldest] = uncertified;
    if (oldest === undefined) throw tooManyOpen(maxOpen);
    open.delete(oldest);
    uncertified.delete(oldest);
  }

  return {
    challenge(text, publicKey) {
      if (!(publicKey instanceof PublicKey)) throw new TypeError("publicKey must be a PublicKey.");
      const at = now();
      const claim = checkClaim(readClaim(text), publicKey, authorities, at);
      makeRoom(at);
      const { endorsementKey, attestationKeyName } = claim;
      const [id, nonce, secret] = [toBase64Url(random(16)), random(32), random(32)];
      const credential = makeCredential(endorsementKey, attestationKeyName, secret, random);
      if (claim.certificate === undefined) uncertified.add(id);
      open.set(id, { claim, nonce, secret, since: at });
      return writeMessage({ id, endorsementKey: endorsementKey.kind, nonce, credential });
    },

    check(text) {
      const answer = readAnswer(text);
      const challenged = open.get(answer.id);
      open.delete(answer.id);
      uncertified.delete(answer.id);
      if (challenged === undefined) throw refused("challenge", "it answers no open challenge; begin anew");
      if (isOver(challenged.since, now())) throw refused("challenge", "it comes too late; begin anew");
      return verdictOf(challenged.claim, checkAnswer(answer, challenged));
    },
  };
}

const tooManyOpen = (maxOpen: number) =>
  new AmeshError("verifier_busy", `${maxOpen} attestations are under way already.`, {
    fix: "Begin anew in a minute, or raise maxOpen on the verifier.",
  });

function checkRange(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new TypeError(`${name} must be an integer from 1 to ${max}; it is ${value}.`);
}
