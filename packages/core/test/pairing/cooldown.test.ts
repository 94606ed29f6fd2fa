import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pairingCooldown, recordPairingFailure } from "../../src/index.js";

const failuresAt = (...times: number[]) =>
  times.reduce<readonly number[]>((failures, now) => recordPairingFailure(failures, now), []);

describe("the cool-down after failed pairings", () => {
  it("lets two failures pass", () => {
    expect(pairingCooldown([], 1000)).toBe(0);
    expect(pairingCooldown(failuresAt(1000, 1001), 1001)).toBe(0);
  });

  it("rests for a minute after the third within ten minutes", () => {
    const failures = failuresAt(1000, 1300, 1599);
    expect(pairingCooldown(failures, 1599)).toBe(60);
    expect(pairingCooldown(failures, 1658)).toBe(1);
    expect(pairingCooldown(failures, 1659)).toBe(0);
  });

  it("forgets failures that are ten minutes old", () => {
    expect(pairingCooldown(failuresAt(1000, 1300, 1600), 1600)).toBe(0);
  });

  it("rests again after every further failure", () => {
    const failures = failuresAt(1000, 1001, 1002, 1100);
    expect(pairingCooldown(failures, 1100)).toBe(60);
  });

  it("does not rest for failures in the future, which a clock that was set back leaves behind", () => {
    expect(pairingCooldown([90_000, 90_001, 90_002], 1000)).toBe(0);
  });

  it("keeps three times at most and never asks for more than a minute, whatever the list", () => {
    const time = fc.nat(5000);
    fc.assert(
      fc.property(fc.array(time), time, (failures, now) => {
        expect(recordPairingFailure(failures, now).length).toBeLessThanOrEqual(3);
        const seconds = pairingCooldown(failures, now);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(60);
      }),
    );
  });
});
