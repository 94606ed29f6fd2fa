import { LogThrottle, quoteForeign } from "@authmesh/core";
import type { Logger } from "./logger.js";
import type { Refusal } from "./refusal-response.js";

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

  write(decision: Refusal, method: string, target: string): void {
    const { failure } = decision;
    const leftOut = decision.proven ? 0 : this.#throttle.admit(failure.code, this.#monotonic());
    const level = leftOut === undefined ? "debug" : "warn";
    this.#logger[level](`refused: ${failure.code}: ${failure.detail}`, {
      decision: decision.id,
      code: failure.code,
      status: failure.status,
      step: decision.step,
      request: `${quoteForeign(method)} ${quoteForeign(target)}`,
      ...(decision.caller === undefined ? {} : { device: decision.caller.id, name: decision.caller.name }),
      ...(leftOut ? { leftOut } : {}),
      fix: failure.fix,
    });
  }
}
