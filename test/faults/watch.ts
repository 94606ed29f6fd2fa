import { setTimeout as pause } from "node:timers/promises";
import type { Part } from "./part.js";
import type { Sample } from "./record.js";

const everyMs = 250;

/** Asks every part, four times a second, whether it can work. */
export class Watch {
  readonly samples: Sample[] = [];
  #isOver = false;
  readonly #running: Promise<unknown>;

  constructor(parts: readonly Part[]) {
    this.#running = Promise.all(parts.map((part) => this.#follow(part)));
  }

  /** The last sample is of what was asked after this was called. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #follow(part: Part): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = this.#isOver;
      const at = Date.now();
      const status = await part.readiness();
      this.samples.push({ part: part.name, at, status });
      if (!isLast) await pause(everyMs);
    }
  }
}
