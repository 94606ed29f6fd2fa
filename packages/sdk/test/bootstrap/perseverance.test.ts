import { AmeshError, type ErrorCode } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { persevere } from "../../src/bootstrap/perseverance.js";

/** Tries until one of the ends is undefined; the clock moves in the pauses alone. */
async function run(ends: readonly (ErrorCode | undefined)[], seconds = 86_400) {
  let at = 0;
  let tries = 0;
  const pauses: number[] = [];
  const told: ErrorCode[] = [];
  const attempt = async () => {
    const code = ends[Math.min(tries++, ends.length - 1)];
    if (code !== undefined) throw new AmeshError(code);
    return "met";
  };
  const outcome = await persevere(attempt, {
    until: seconds * 1000,
    firstPause: 10_000,
    onTrouble: ({ code }) => told.push(code),
    now: () => at,
    pause: async (milliseconds) => {
      pauses.push(milliseconds / 1000);
      at += milliseconds;
    },
  }).catch((error: AmeshError) => error.code);
  return { outcome, tries, pauses, told };
}

describe("whoever perseveres", () => {
  it("tries at growing distances until it succeeds, and tells why it did not before", async () => {
    const { outcome, pauses, told } = await run([
      "relay_unreachable",
      "otc_not_found",
      "rate_limited",
      undefined,
    ]);
    expect(outcome).toBe("met");
    expect(pauses).toEqual([10, 20, 40]);
    expect(told).toEqual(["relay_unreachable", "otc_not_found", "rate_limited"]);
  });

  it("gives up when time is up, after a number of attempts that is bounded", async () => {
    const { outcome, tries, pauses } = await run(["otc_not_found"]);
    expect(outcome).toBe("pairing_timeout");
    expect(Math.max(...pauses)).toBe(600);
    expect(tries).toBeLessThan(160);
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBe(86_400);
  });

  it("stays within the failures that a relay forgives an address in a minute", async () => {
    const { tries } = await run(["otc_not_found"], 60);
    expect(tries).toBeLessThanOrEqual(4);
  });

  it.each<ErrorCode>(["pairing_cancelled", "storage_failed", "invalid_option", "pairing_own_key"])(
    "does not try again what another attempt would not change: %s",
    async (code) => {
      expect(await run([code])).toMatchObject({ outcome: code, tries: 1 });
    },
  );
});
