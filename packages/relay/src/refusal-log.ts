import { LogThrottle } from "@authmesh/core";
import type { Logger } from "pino";
import type { Refusal } from "./metrics.js";

/** Logs refusals at most once a second per code, with the number left out: a flood must not fill the disk. */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #throttle = new LogThrottle<Refusal>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param network the coarse address, see core's client-address.ts. @param now milliseconds */
  note(code: Refusal, network: string, now: number): void {
    const leftOut = this.#throttle.admit(code, now);
    if (leftOut !== undefined) this.#logger.warn({ code, network, leftOut }, "refused");
  }
}
