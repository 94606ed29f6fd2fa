import type { Call } from "./call.js";
import type { Manual } from "./manual.js";

/** One command of `amesh`. */
export interface Verb {
  readonly manual: Manual;
  /**
   * Does the work.
   *
   * @returns the exit status; nothing means 0
   * @throws AmeshError what `failure-report.ts` then says
   */
  run(call: Call): Promise<number | undefined>;
}
