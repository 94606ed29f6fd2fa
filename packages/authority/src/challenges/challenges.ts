import { createHmac, timingSafeEqual } from "node:crypto";
import {
  AmeshError,
  concatBytes,
  fromBase64Url,
  PublicKey,
  type Random,
  randomBytes,
  signableChallenge,
  toBase64Url,
  utf8,
} from "@authmesh/core";
import type { ChallengeAnswer, ChallengePurpose } from "@authmesh/core/enrollment";
import type { AuthorityStore } from "../authority-store.js";

/** Seconds that a challenge is good for. */
export const challengeLife = 60;
const slackMs = 60_000;

export interface ChallengesOptions {
  /** Remembers what was used, for all replicas. */
  readonly store: Pick<AuthorityStore, "recordNonce">;
  /** 32 bytes that all replicas have. */
  readonly key: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random?: Random;
}

/** `attest` is answered by a TPM, and not by a signature over the challenge (docs/protocol.md, section 10.10). */
type Purpose = ChallengePurpose | "attest";

/** What is known of the key that has to have signed an answer. */
export interface ExpectedAnswer {
  /** The authority's, as the client dialled it; undefined where it dialled something else. */
  readonly origin: string | undefined;
  /** The compressed point in standard base64; undefined for a device that nobody knows. */
  readonly publicKey: string | undefined;
}

/** The curve's base point: what the answers of unknown devices are verified by, so that they take as long as others. */
const nobodysKey = "A2sX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKW";

/**
 * Challenges to devices (docs/protocol.md, section 10.3): nothing is kept of one until it is used, and then until it
 * would be over.
 */
export class Challenges {
  readonly #options: ChallengesOptions;

  constructor(options: ChallengesOptions) {
    this.#options = options;
  }

  /** 64 characters of base64url. */
  issue(purpose: Purpose, device: string): string {
    const { now, random = randomBytes } = this.#options;
    const time = new Uint8Array(8);
    new DataView(time.buffer).setBigUint64(0, BigInt(Math.floor(now() / 1000)));
    const drawn = concatBytes(time, random(24));
    return toBase64Url(concatBytes(drawn, this.#authenticator(purpose, device, drawn)));
  }

  /**
   * Uses a challenge up.
   *
   * @returns whether it was issued here for this, less than 60 seconds ago, and was not used yet
   * @throws AmeshError `database_unavailable`
   */
  async use(purpose: Purpose, device: string, challenge: string): Promise<boolean> {
    const bytes = fromBase64Url(challenge);
    if (bytes?.length !== 48) return false;
    const drawn = bytes.subarray(0, 32);
    if (!timingSafeEqual(bytes.subarray(32), this.#authenticator(purpose, device, drawn))) return false;
    const now = this.#options.now();
    const issued = Number(new DataView(drawn.buffer, drawn.byteOffset).getBigUint64(0));
    const until = (issued + challengeLife) * 1000;
    // Kept for longer than it is good, since the clocks of replicas differ.
    return now < until && this.#options.store.recordNonce(`challenge ${challenge}`, now, until + slackMs);
  }

  /**
   * Checks an answer, and uses its challenge up, right or wrong. Whatever is wrong takes as long and is told alike.
   *
   * @throws AmeshError `challenge_refused`, `database_unavailable`
   */
  async accept(
    purpose: ChallengePurpose,
    answer: ChallengeAnswer,
    { origin, publicKey }: ExpectedAnswer,
  ): Promise<void> {
    const { device, challenge, counter } = answer;
    const isGood = await this.use(purpose, device, challenge);
    const key = PublicKey.fromBase64(publicKey ?? nobodysKey);
    const signed = signableChallenge({ origin: origin ?? "", purpose, deviceId: device, challenge, counter });
    const isSigned = key.verify(signed, fromBase64Url(answer.signature) ?? new Uint8Array());
    if (!isGood || !isSigned || origin === undefined || publicKey === undefined || key.deviceId !== device)
      throw new AmeshError("challenge_refused");
  }

  #authenticator(purpose: Purpose, device: string, drawn: Uint8Array): Uint8Array {
    const said = concatBytes(utf8(`amesh/challenge/1\n${purpose}\n${device}\n`), drawn);
    return createHmac("sha256", this.#options.key).update(said).digest().subarray(0, 16);
  }
}
