import { createHmac, randomBytes } from "node:crypto";
import { PublicKey, type Random, toBase64Url } from "@authmesh/core";
import { checkAnswer } from "./answer-checks.js";
import { refused } from "./checks.js";
import { checkClaim, checkKeys } from "./claim-checks.js";
import { makeCredential } from "./credential.js";
import { readAnswer, readClaim, writeMessage } from "./messages.js";
import { readPemCertificates } from "./pem-certificates.js";
import { type AttestationVerdict, verdictOf } from "./verdict.js";

export interface StatelessAttestationVerifierOptions {
  /** Certificates of the manufacturers of TPMs that are trusted: PEM, each text one or more. With none nothing is proven. */
  readonly roots: readonly string[];
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Default `node:crypto`. */
  readonly random?: Random | undefined;
}

/** One attestation, the same for both of its calls. */
export interface AttestationUnderWay {
  /** As the device's `attestation(alias).claim()` gave it. */
  readonly claim: string;
  /** The key that is to be proven. */
  readonly publicKey: PublicKey;
  /** 32 bytes that only the verifier can know, and of this one challenge. */
  readonly seed: Uint8Array;
}

/**
 * As `AttestationVerifier`, for one that has many processes: it keeps nothing, and what it needs again follows from a seed and
 * the claim. Whoever calls sees to it that a seed is answered once, and soon.
 */
export interface StatelessAttestationVerifier {
  /** The challenge to a claim. Its certificates are looked at with the answer. @throws AmeshError `attestation_refused` */
  challenge(of: AttestationUnderWay): string;
  /** What an answer to that challenge proves. @throws AmeshError `attestation_refused` */
  check(of: AttestationUnderWay, answer: string): AttestationVerdict;
}

/**
 * The verifier of docs/protocol.md, section 12.7.
 *
 * @throws AmeshError `invalid_option` when a text of `roots` holds no certificates
 */
export function createStatelessAttestationVerifier(
  options: StatelessAttestationVerifierOptions,
): StatelessAttestationVerifier {
  const { now = Date.now, random = randomBytes } = options;
  const authorities = { roots: readPemCertificates(options.roots, "roots"), intermediates: [] };

  return {
    challenge(of) {
      const { endorsementKey, attestationKeyName } = checkKeys(readClaim(of.claim), of.publicKey);
      const { id, nonce, secret } = drawnFor(of);
      const credential = makeCredential(endorsementKey, attestationKeyName, secret, random);
      return writeMessage({ id, endorsementKey: endorsementKey.kind, nonce, credential });
    },

    check(of, text) {
      const { id, nonce, secret } = drawnFor(of);
      const answer = readAnswer(text);
      if (answer.id !== id) throw refused("challenge", "it answers another challenge");
      const claim = checkClaim(readClaim(of.claim), of.publicKey, authorities, now());
      return verdictOf(claim, checkAnswer(answer, { claim, nonce, secret }));
    },
  };
}

/** Of the claim, too: what one endorsement key gave out proves nothing of another one. */
function drawnFor({ claim, publicKey, seed }: AttestationUnderWay) {
  if (!(publicKey instanceof PublicKey)) throw new TypeError("publicKey must be a PublicKey.");
  if (seed.length !== 32) throw new TypeError("seed must have 32 bytes.");
  const draw = (what: "id" | "nonce" | "secret") =>
    createHmac("sha256", seed).update(`amesh/attestation/1 ${what}\n${claim}`).digest();
  return { id: toBase64Url(draw("id").subarray(0, 16)), nonce: draw("nonce"), secret: draw("secret") };
}
