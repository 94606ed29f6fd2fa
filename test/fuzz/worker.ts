/** Fuzzes one target in a thread of its own, so that an input that never ends can be ended, and told. */
import { parentPort, workerData } from "node:worker_threads";
import fc from "fast-check";
import { faultOf } from "./attempt.js";
import { corpusOf, keep } from "./corpus.js";
import { inputsOf } from "./mutations.js";
import type { Target } from "./target.js";
import { targets } from "./targets.js";

export interface Job {
  readonly name: string;
  readonly corpus: string;
  readonly seconds: number;
  readonly seed: number;
  /** How many inputs were begun; then the length of the last of them in code units, and the input. */
  readonly progress: SharedArrayBuffer;
}

export interface Outcome {
  readonly runs: number;
  readonly fault?: string;
  /** Where the input is kept that shows it. */
  readonly kept?: string;
}

/** Bytes that may be left of the second half of the time, all garbage collected. */
const mostLeft = 32 << 20;

const job = workerData as Job;
const [counts, units] = [new Int32Array(job.progress, 0, 2), new Uint16Array(job.progress, 8)];
const target = targets.find(({ name }) => name === job.name) as Target;
const corpus = corpusOf(job.corpus, target).map(({ input }) => input);
let runs = 0;

const outcome = (await fuzz(job.seed)) ?? (await leftBy(() => fuzz(job.seed + 1)));
parentPort?.postMessage({ runs, ...outcome } satisfies Outcome);

/** Half of the time. */
async function fuzz(seed: number): Promise<Omit<Outcome, "runs"> | undefined> {
  const holds = fc.asyncProperty(inputsOf(target, corpus), async (input) => {
    note(input);
    const fault = await faultOf(target, input);
    if (fault !== undefined) throw new Error(fault);
  });
  const { counterexample, errorInstance } = await fc.check(holds, {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: job.seconds * 500,
  });
  if (counterexample === null) return undefined;
  const fault = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return { fault, kept: keep(job.corpus, target, counterexample[0]) };
}

async function leftBy(work: () => ReturnType<typeof fuzz>): ReturnType<typeof fuzz> {
  const before = heap();
  const outcome = await work();
  const left = heap() - before;
  return outcome ?? (left > mostLeft ? { fault: `left ${left >> 20} MiB behind` } : undefined);
}

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function note(input: string): void {
  runs++;
  const length = Math.min(input.length, units.length);
  for (let i = 0; i < length; i++) units[i] = input.charCodeAt(i);
  Atomics.store(counts, 1, length);
  Atomics.store(counts, 0, runs);
}
