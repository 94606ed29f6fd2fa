/** Measures ours against a peer in one run: short alternated rounds, and the median of the rounds' ratios. */

export interface Comparison {
  readonly question: string;
  /** Makes ready what a round uses up; not counted. */
  readonly prepare?: () => void | Promise<void>;
  readonly ours: () => void | Promise<void>;
  readonly peer: () => void | Promise<void>;
  readonly peerName: string;
  /** The ratio ours/peer, in operations a second, that is aimed at. */
  readonly aim?: number;
  /** Calls a round. */
  readonly calls: number;
  readonly rounds?: number;
}

/** Whether only to see that it runs: with a few of everything, and figures that say nothing. */
export const smoke = process.argv.includes("--smoke");

/** Servers run for days; what counts is how fast code is once the compiler is done with it. */
const warmUpRounds = 15;

export async function compare(comparison: Comparison): Promise<number> {
  const { question, prepare, ours, peer, peerName, aim, calls, rounds = 31 } = comparison;
  const sides = { ours, peer };
  const rates = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    await prepare?.();
    globalThis.gc?.(); // what preparing left behind is not part of the question
    // Neither always comes first, with cold caches.
    for (const side of round % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const)) {
      const now = await rate(sides[side], calls);
      if (round >= warmUpRounds) rates[side].push(now);
    }
  }
  const ratio = median(rates.ours.map((rate, round) => rate / (rates.peer[round] as number)));
  print(question, {
    ours: `${whole(median(rates.ours))}/s`,
    [peerName]: `${whole(median(rates.peer))}/s`,
    ratio: ratio.toFixed(2),
    ...(aim === undefined ? {} : { aim: `at least ${aim.toFixed(2)}`, met: ratio >= aim ? "yes" : "NO" }),
  });
  return ratio;
}

export function print(question: string, answers: Record<string, string>): void {
  console.log(question);
  for (const [name, answer] of Object.entries(answers)) console.log(`  ${name.padEnd(34)} ${answer}`);
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

/** Milliseconds since the epoch, with their fractions: of several processes of one machine. */
export const moment = (): number => performance.timeOrigin + performance.now();

/** @param share 0.99: what 99 of 100 do not exceed */
export const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] as number;

/** Bytes that this process holds once the garbage was collected. */
export function held(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

async function rate(call: () => void | Promise<void>, calls: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    const pending = call();
    if (pending !== undefined) await pending;
  }
  return (calls / (performance.now() - start)) * 1000;
}
