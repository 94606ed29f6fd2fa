import { crypto } from "#crypto";
import { toBase64Url } from "../encoding.js";
import { type Random, randomBytes } from "../key-agreement.js";
import type { RelayChallenge } from "./relay-messages.js";

/** Work that a hot relay asks for before it lets a code be said (docs/protocol.md, section 6.8). */

const seedBytes = 16;
/** Some milliseconds, with any provider. */
const triesAtATime = 2_048;
/** Of work that can be done, one in e^64 is not within so many tries as are expected, times this. */
const patience = 64;

export interface WorkOptions {
  /** Lets others have the processor: called every few milliseconds, and the work goes on when it settles. */
  readonly pause: () => Promise<unknown>;
  /** Stops the work at its next pause. Default: none. */
  readonly signal?: AbortSignal;
}

/** @param bits 1 to `maxWorkBits` @param random returns so many fresh random bytes; default: the system's CSPRNG */
export const drawChallenge = (bits: number, random: Random = randomBytes): RelayChallenge => ({
  type: "challenge",
  seed: toBase64Url(random(seedBytes)),
  bits,
});

/** Whether `answer` is what the challenge asks for, for this code. One hash. */
export function workIsDone({ seed, bits }: RelayChallenge, otc: string, answer: number): boolean {
  const hash = crypto.sha256(`amesh/relay/1 work\n${seed}\n${otc}\n${answer}`);
  // No challenge asks for more than 32 bits.
  const start = new DataView(hash.buffer, hash.byteOffset, 4).getUint32(0);
  return Math.clz32(start) >= bits;
}

/**
 * Looks for the answer to a challenge: 2^bits tries on average, a second or so at most for the most that a relay may
 * ask, on a machine of these days.
 *
 * @param otc the code of the message that the challenge answered
 * @returns the answer; `undefined` when the signal said stop, or there is none to be found
 */
export async function doWork(
  challenge: RelayChallenge,
  otc: string,
  { pause, signal }: WorkOptions,
): Promise<number | undefined> {
  const bound = patience * 2 ** challenge.bits;
  for (let next = 0; next < bound; await pause()) {
    if (signal?.aborted) return undefined;
    for (const end = next + triesAtATime; next < end; next++) {
      if (workIsDone(challenge, otc, next)) return next;
    }
  }
  return undefined;
}
