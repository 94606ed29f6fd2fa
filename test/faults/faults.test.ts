import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { processFaults } from "./process-faults.js";
import { Stage } from "./stage.js";
import { tableOf } from "./table.js";
import { type Pace, type Trial, Trials } from "./trial.js";

const pace: Pace = {
  rate: Number(process.env["AMESH_FAULTS_RATE"] ?? 200),
  lead: 5,
  fault: 10,
  whole: 30,
  push: 1,
};

describe("under steady traffic and attack, nothing that is promised breaks by", () => {
  const stops: (() => Promise<void>)[] = [];
  const rows: Trial[] = [];
  let trials: Trials;
  beforeAll(async () => {
    trials = await Trials.on(await Stage.start({}, (stop) => void stops.unshift(stop)), pace);
  }, 120_000);
  afterAll(async () => {
    console.log(tableOf(rows));
    for (const stop of stops) await stop();
  });

  it.each(processFaults)("$name", { timeout: 180_000 }, async (fault) => {
    const trial = await trials.run(fault);
    rows.push(trial);
    console.log(tableOf([trial]));
    expect(trial.violations).toEqual([]);
  });
});
