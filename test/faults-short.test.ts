import { describe, expect, it } from "vitest";
import { controls } from "./faults/controls.js";
import { someOfEach } from "./faults/invariants.js";
import { hangingRedis, killedApi } from "./faults/process-faults.js";
import { sharedTrials } from "./faults/shared-trials.js";
import type { Pace } from "./faults/trial.js";

/** Few requests, and much patience: the machine has other tests to run. `npm run test:faults` takes its time. */
const pace: Pace = { rate: 60, lead: 1, fault: 3, whole: 5, push: 5 };
/** For what is seen at once. */
const glance: Pace = { ...pace, fault: 1, whole: 2 };
const timeout = 120_000;

describe("under traffic and attack, no promise is broken by", () => {
  const trials = sharedTrials(timeout);

  it.each([killedApi, hangingRedis])("$name", { timeout }, async (fault) => {
    const { accepted, violations } = await trials.run(fault, pace);
    expect(someOfEach(violations)).toEqual([]);
    expect(accepted).toBeGreaterThan(pace.rate);
  });

  const wanted = ["shared memory", "reasons"];
  it.each(controls.filter(({ without }) => wanted.includes(without)))(
    "and without $without it is seen that a promise is",
    { timeout },
    async (control) => {
      const { violations } = await trials.runWithout(control.without, control.fault, glance);
      expect(violations.map(({ invariant }) => invariant)).toEqual(
        expect.arrayContaining([...control.noticedBy]),
      );
    },
  );
});
