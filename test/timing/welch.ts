/** Whether the time of a call tells two kinds of guesses apart: Welch's t-test, as dudect uses it (Reparaz et al., 2017). */

/** Checks a guess. It is given a fresh text each time, so that nothing but what the text says differs. */
export type Check = (guess: string) => unknown;

export interface Guesses {
  /** Both are as long, and in bytes of ASCII. */
  readonly wrongAtFirst: string;
  readonly wrongAtLast: string;
}

/** The share of measurements that counts: the slowest were interrupted by something else. */
const kept = 0.95;

/** @param calls how many, of the two kinds in an order that is drawn; @returns Welch's t, by its size */
export function timingDifference(check: Check, guesses: Guesses, calls: number): number {
  const texts = [guesses.wrongAtFirst, guesses.wrongAtLast].map((guess) => Buffer.from(guess));
  const scratch = Buffer.alloc(guesses.wrongAtFirst.length);
  const kinds = Uint8Array.from({ length: calls }, () => Math.floor(2 * Math.random()));
  const times = new Float64Array(calls);
  for (let i = 0; i < calls; i++) {
    texts[kinds[i] as number]?.copy(scratch);
    const guess = scratch.toString("latin1");
    const started = process.hrtime.bigint();
    check(guess);
    times[i] = Number(process.hrtime.bigint() - started);
  }
  const longest = times.toSorted()[Math.floor(kept * calls)] as number;
  const [first, last] = [0, 1].map((kind) =>
    times.filter((time, i) => kinds[i] === kind && time <= longest),
  ) as [Float64Array, Float64Array];
  return Math.abs(welch(first, last));
}

function welch(one: Float64Array, other: Float64Array): number {
  const [a, b] = [spread(one), spread(other)];
  return (a.mean - b.mean) / Math.sqrt(a.variance / one.length + b.variance / other.length);
}

function spread(values: Float64Array): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}
