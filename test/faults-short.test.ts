import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { controls } from "./faults/controls.js";
import { someOfEach } from "./faults/invariants.js";
import { hangingRedis, killedApi } from "./faults/process-faults.js";
import { Stage } from "./faults/stage.js";
import { type Pace, Trials } from "./faults/trial.js";

/** Few requests, and much patience: the machine has other tests to run. `npm run test:faults` takes its time. */
const pace: Pace = { rate: 60, lead: 1, fault: 3, whole: 5, push: 5 };
/** For what is seen at once. */
const glance: Pace = { ...pace, fault: 1, whole: 2 };
const timeout = 120_000;

describe("under traffic and attack, no promise is broken by", () => {
  const stops: (() => Promise<void>)[] = [];
  let trials: Trials;
  beforeAll(async () => {
    trials = await Trials.on(await Stage.start({}, (stop) => void stops.unshift(stop)));
  }, timeout);
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

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
