import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/hash.js";
import type { RelayChallenge } from "../../src/pairing/relay-messages.js";
import { parseRelayMessage } from "../../src/pairing/relay-messages.js";
import { doWork, drawChallenge, workIsDone } from "../../src/pairing/relay-work.js";

const otc = "482916";
const challengeOf = (bits: number, seed = "AAECAwQFBgcICQoLDA0ODw"): RelayChallenge => ({
  type: "challenge",
  seed,
  bits,
});

describe("work for a relay", () => {
  test.each([
    [14, 6_764, "00008374"],
    [18, 31_902, "0000014e"],
  ])("of %i bits is the first number that fits, as section 6.8 shows", async (bits, answer, hash) => {
    expect(sha256Hex(`amesh/relay/1 work\nAAECAwQFBgcICQoLDA0ODw\n${otc}\n${answer}`).slice(0, 8)).toBe(hash);
    expect(await doWork(challengeOf(bits), otc, { pause: turn })).toBe(answer);
  });

  test("is done where the hash begins with so many zero bits, and nowhere else", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 20 }), (answer, bits) => {
        const hash = sha256Hex(`amesh/relay/1 work\nAAECAwQFBgcICQoLDA0ODw\n${otc}\n${answer}`);
        const zeros = BigInt(`0x${hash}`) >> BigInt(256 - bits) === 0n;
        expect(workIsDone(challengeOf(bits), otc, answer)).toBe(zeros);
      }),
    );
  });

  test("is of no use for another code, another challenge or more bits", async () => {
    const answer = 31_902;
    expect(workIsDone(challengeOf(18), otc, answer)).toBe(true);
    expect(workIsDone(challengeOf(18), "482917", answer)).toBe(false);
    expect(workIsDone(challengeOf(18, "AAECAwQFBgcICQoLDA0ODg"), otc, answer)).toBe(false);
    expect(workIsDone(challengeOf(17), otc, 6_764)).toBe(false);
  });

  test("lets others have the processor every few milliseconds", async () => {
    let pauses = 0;
    const pause = async () => {
      pauses += 1;
      await turn();
    };
    await doWork(challengeOf(18), otc, { pause });
    expect(pauses).toBe(Math.floor(31_902 / 2_048));
  });

  test("stops when it is told to", async () => {
    const stop = new AbortController();
    let pauses = 0;
    const pause = async () => {
      pauses += 1;
      if (pauses === 3) stop.abort();
    };
    expect(await doWork(challengeOf(18), otc, { pause, signal: stop.signal })).toBeUndefined();
    expect(pauses).toBe(3);
    expect(await doWork(challengeOf(1), otc, { pause, signal: AbortSignal.abort() })).toBeUndefined();
  });

  test("is asked for by a seed that is drawn", () => {
    const random = (length: number) => Uint8Array.from({ length }, (_, i) => i);
    expect(drawChallenge(14, random)).toEqual(challengeOf(14));
    const drawn = drawChallenge(20);
    expect(parseRelayMessage(JSON.stringify(drawn))).toEqual(drawn);
    expect(drawChallenge(20).seed).not.toBe(drawn.seed);
  });
});
