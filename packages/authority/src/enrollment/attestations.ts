import { createHmac } from "node:crypto";
import { AmeshError, PublicKey } from "@authmesh/core";
import type { AttestationEvidence } from "@authmesh/core/enrollment";
import {
  createStatelessAttestationVerifier,
  type StatelessAttestationVerifier,
} from "@authmesh/keystore/attestation";
import type { Challenges } from "../challenges/challenges.js";
import type { Attestation } from "./enrollment.js";

export interface AttestationsOptions {
  /** PEM texts; with none nothing is proven. */
  readonly roots: readonly string[];
  readonly challenges: Challenges;
  /** 32 bytes that all replicas have. */
  readonly key: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Finds out whether a key is in a TPM (docs/protocol.md, section 10.10). Nothing is kept between question and answer: both
 * follow from a challenge of section 10.3, which any replica takes, once.
 */
export class Attestations {
  readonly #verifier: StatelessAttestationVerifier;
  readonly #challenges: Challenges;
  readonly #key: Uint8Array;

  /** @throws AmeshError `invalid_option` for roots that cannot be read */
  constructor({ roots, challenges, key, now }: AttestationsOptions) {
    this.#verifier = createStatelessAttestationVerifier({ roots, now });
    this.#challenges = challenges;
    this.#key = key;
  }

  /** @throws AmeshError `attestation_refused` for a claim that is none of this key */
  question(key: string, claim: string): { readonly challenge: string; readonly question: string } {
    const publicKey = PublicKey.fromBase64(key);
    const challenge = this.#challenges.issue("attest", publicKey.deviceId);
    const seed = this.#seed(challenge);
    return { challenge, question: this.#verifier.challenge({ claim, publicKey, seed }) };
  }

  /**
   * What is known of a key by the evidence that came with it. Whatever is wrong with that leaves it claimed.
   *
   * @throws AmeshError `database_unavailable`
   */
  async judge(key: string, evidence: AttestationEvidence | undefined): Promise<Attestation> {
    if (evidence === undefined) return { status: "none" };
    const { claim, challenge, answer } = evidence;
    const publicKey = PublicKey.fromBase64(key);
    if (!(await this.#challenges.use("attest", publicKey.deviceId, challenge)))
      return { status: "claimed", detail: "The challenge is over, was used before, or is another key's." };
    try {
      const verdict = this.#verifier.check({ claim, publicKey, seed: this.#seed(challenge) }, answer);
      if (!verdict.proven) return { status: "claimed", detail: `It is ${verdict.reason}.` };
      const { manufacturer } = verdict;
      return { status: "proven", ...(manufacturer !== undefined && { maker: manufacturer }) };
    } catch (error) {
      if (error instanceof AmeshError && error.code === "attestation_refused")
        return { status: "claimed", detail: error.message };
      throw error;
    }
  }

  #seed(challenge: string): Uint8Array {
    return createHmac("sha256", this.#key).update(`amesh/attestation/1\n${challenge}`).digest();
  }
}
