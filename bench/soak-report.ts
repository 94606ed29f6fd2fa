/** How a process under steady load keeps to its memory: what it holds after each step, all garbage collected. */
import { percentile, print, smoke } from "./compare.js";
import type { Health } from "./roles.js";

const given = process.argv.find((argument) => argument.startsWith("--seconds="))?.split("=")[1];
/** Ten minutes, or as many seconds as --seconds=N says. */
export const seconds = smoke ? 4 : Number(given ?? 600);
export const stepSeconds = smoke ? 1 : 10;
/** What is not counted: the memory of nonces fills for 71 seconds, and the compiler takes its time. */
const settled = 0.2;
/** MiB a minute. */
const aim = 1;

export class Soak {
  readonly #started = performance.now();
  readonly #points: (Health & { readonly minute: number })[] = [];

  note(health: Health): void {
    this.#points.push({ ...health, minute: (performance.now() - this.#started) / 60_000 });
  }

  tell(what: string): void {
    const last = this.#points.slice(Math.floor(this.#points.length * settled));
    const growth = slope(last.map(({ minute, resident }) => [minute, mebibytes(resident)]));
    const delays = this.#points.map(({ loopDelayP99 }) => loopDelayP99);
    const longest = Math.max(...this.#points.map(({ loopDelayMax }) => loopDelayMax));
    print(what, {
      "resident, MiB": range(last.map(({ resident }) => mebibytes(resident))),
      "heap, MiB": range(last.map(({ heap }) => mebibytes(heap))),
      "grows, MiB a minute": growth.toFixed(2),
      "heap grows, MiB a minute": slope(last.map(({ minute, heap }) => [minute, mebibytes(heap)])).toFixed(2),
      aim: `below ${aim}`,
      met: growth < aim ? "yes" : "NO",
      "handles after each step": range(
        this.#points.map(({ handles }) => handles),
        0,
      ),
      "event loop late, p99 of a step": `${percentile(delays, 0.5).toFixed(1)} ms, at most ${Math.max(...delays).toFixed(1)} ms`,
      "and at all": `${longest.toFixed(1)} ms`,
    });
  }
}

const mebibytes = (bytes: number) => bytes / 2 ** 20;

/** Of the straight line that fits best. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const along = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return along / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

function range(values: readonly number[], digits = 1): string {
  return `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
}
