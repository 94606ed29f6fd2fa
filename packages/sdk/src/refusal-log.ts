import { LogThrottle, quoteForeign } from "@authmesh/core";
import type { Logger } from "./logger.js";
import type { Refusal } from "./refusal-response.js";

/** Only here has the caller shown, with a request of its own, that it holds a trusted key. */
const provenStep = "scope";

/**
 * Writes refusals to the log: each one of a proven caller, and of anybody else at most one a second and reason,
 * with the number that were left out.
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
    const leftOut = decision.step === provenStep ? 0 : this.#throttle.admit(failure.code, this.#monotonic());
    if (leftOut === undefined) return;
    this.#logger.warn(`refused: ${failure.code}: ${failure.detail}`, {
      decision: decision.id,
      code: failure.code,
      status: failure.status,
      step: decision.step,
      request: `${quoteForeign(method)} ${quoteForeign(target)}`,
      ...(decision.caller === undefined ? {} : { device: decision.caller.id, name: decision.caller.name }),
      ...(leftOut > 0 ? { leftOut } : {}),
      fix: failure.fix,
    });
  }
}
