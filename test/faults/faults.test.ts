import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { controls } from "./controls.js";
import { environments } from "./environment-faults.js";
import type { Fault } from "./fault.js";
import { faults } from "./faults.js";
import { someOfEach } from "./invariants.js";
import { sharedTrials } from "./shared-trials.js";
import { type Ended, Stage } from "./stage.js";
import { tableOf } from "./table.js";
import { type Pace, type Trial, Trials } from "./trial.js";

const rate = Number(process.env["AMESH_FAULTS_RATE"] ?? 200);
const pace: Pace = { rate, lead: 5, fault: 10, whole: 30, push: 1 };
const short: Pace = { ...pace, lead: 4, fault: 3, whole: 9 };
const timeout = 300_000;
const rows: Trial[] = [];
/** What was noticed while a protection was switched off. */
const noticed: Trial[] = [];

async function withstand(trials: Pick<Trials, "run">, fault: Fault): Promise<void> {
  const trial = await trials.run(fault, pace);
  rows.push(trial);
  const { requests, violations } = trial;
  const some = someOfEach(violations);
  console.log([tableOf([trial]), ...some.map(({ invariant, how }) => `${invariant}: ${how}`)].join("\n"));
  expect(some, fault.name).toEqual([]);
  const wanted = rate * pace.whole;
  if (requests < wanted)
    throw new Error(
      `This machine fell behind: ${requests} requests in place of ${wanted}. Leave it alone, or set AMESH_FAULTS_RATE to less than ${rate}.`,
    );
}

/** Vitest would cut the name of an object short, and -t could not find it. */
const named = <T extends { readonly name: string }>(all: readonly T[]) =>
  all.map((each) => [each.name, each] as const);

afterAll(() => {
  console.log(
    `${tableOf(rows)}\n\nWith a protection switched off, which has to be noticed:\n${tableOf(noticed)}`,
  );
  const file = process.env["AMESH_FAULTS_JSON"];
  if (file)
    writeFileSync(
      file,
      `${JSON.stringify({ schema: 1, rate, faults: rows, controls: noticed }, undefined, 2)}\n`,
    );
});

describe("under steady traffic and attack, no promise is broken by", () => {
  const trials = sharedTrials(timeout);

  it.each(named(faults))("%s", { timeout }, (_, fault) => withstand(trials, fault));

  it.each(controls)("and without $without it is seen that a promise is", { timeout }, async (control) => {
    const trial = await trials.runWithout(control.without, control.fault, short);
    const { violations } = trial;
    noticed.push({ ...trial, fault: `without ${control.without}` });
    expect(violations.map(({ invariant }) => invariant)).toEqual(
      expect.arrayContaining([...control.noticedBy]),
    );
  });
});

describe("no promise is broken, on a stage of its own, by faults", () => {
  it.each(named(environments))("%s", { timeout: 4 * timeout }, async (_, { open }) => {
    const stops: (() => Promise<void>)[] = [];
    const ended: Ended = (stop) => void stops.unshift(stop);
    onTestFinished(async () => {
      for (const stop of stops) await stop();
    }, timeout);
    const { stage, faults } = await open(ended);
    const trials = await Trials.on(await Stage.start(stage, ended));
    for (const fault of faults) await withstand(trials, fault);
  });
});
