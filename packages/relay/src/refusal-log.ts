import type { Logger } from "pino";
import type { Refusal } from "./metrics.js";

const interval = 1_000;

/** Logs refusals at most once a second per code, with the number left out: a flood must not fill the disk. */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #quiet = new Map<Refusal, { until: number; leftOut: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param network the coarse address, see client-address.ts. @param now milliseconds */
  note(code: Refusal, network: string, now: number): void {
    const quiet = this.#quiet.get(code);
    if (quiet && now < quiet.until) {
      quiet.leftOut += 1;
      return;
    }
    this.#logger.warn({ code, network, leftOut: quiet?.leftOut ?? 0 }, "refused");
    this.#quiet.set(code, { until: now + interval, leftOut: 0 });
  }
}
