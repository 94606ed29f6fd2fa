import { afterAll, beforeAll } from "vitest";
import { type Ended, Stage } from "./stage.js";
import { Trials } from "./trial.js";

/** Sets one stage up for all tests of a block, and takes it down behind the last. @param timeout of each, in milliseconds */
export function sharedTrials(timeout: number): Pick<Trials, "run" | "runWithout"> {
  const stops: Parameters<Ended>[0][] = [];
  let trials: Trials;
  beforeAll(async () => {
    trials = await Trials.on(await Stage.start({}, (stop) => void stops.unshift(stop)));
  }, timeout);
  afterAll(async () => {
    for (const stop of stops) await stop();
  }, timeout);
  return {
    run: (...given) => trials.run(...given),
    runWithout: (...given) => trials.runWithout(...given),
  };
}
