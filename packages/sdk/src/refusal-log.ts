import { type Failure, LogThrottle, quoteForeign } from "@authmesh/core";
import type { Logger } from "./logger.js";

/** What the log tells of a refusal, whatever was to be proven. */
export interface LoggedRefusal {
  /** Id of the decision, as the caller got it. */
  readonly id: string;
  readonly failure: Failure;
  /** What found it. */
  readonly step: string;
  /** Whether the caller had proved itself by then, with this very request. */
  readonly proven: boolean;
  /** Who it says it is, in the words of its kind of proof. */
  readonly caller?: Readonly<Record<string, string>>;
}

/**
 * Writes refusals to the log: each one of a proven caller, and of anybody else at most one a second and reason,
 * with the number that were left out. Those stand in the log at the level "debug", so that the decision a caller
 * tells of can be found where that is kept.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #monotonic: () => number;
  readonly #throttle = new LogThrottle<string>();

  constructor(logger: Logger, monotonic: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#monotonic = monotonic;
  }

  write({ id, failure, step, proven, caller }: LoggedRefusal, method: string, target: string): void {
    const leftOut = proven ? 0 : this.#throttle.admit(failure.code, this.#monotonic());
    const level = leftOut === undefined ? "debug" : "warn";
    this.#logger[level](`refused: ${failure.code}: ${failure.detail}`, {
      decision: id,
      code: failure.code,
      status: failure.status,
      step,
      request: `${quoteForeign(method)} ${quoteForeign(target)}`,
      ...caller,
      ...(leftOut ? { leftOut } : {}),
      fix: failure.fix,
    });
  }
}
