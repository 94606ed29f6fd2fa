import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";

export interface RepetitionOptions {
  readonly work: () => Promise<void>;
  /** Milliseconds between the end of one run and the next. */
  readonly everyMs: number;
  /** What is said when the work fails, and when it is done again: each once. */
  readonly words: { readonly failed: string; readonly recovered: string };
  readonly logger: Logger;
}

/** Does a piece of work again and again, until it is closed. Keeps no process alive. */
export class Repetition {
  readonly #options: RepetitionOptions;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #isClosed = false;
  #trouble: string | undefined;

  constructor(options: RepetitionOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#isClosed) return;
    const { work, everyMs } = this.#options;
    this.#timer = setTimeout(() => {
      this.#working = work()
        .then(
          () => this.#recovered(),
          (error: unknown) => this.#failed(error),
        )
        .then(() => this.start());
    }, everyMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #failed(error: unknown): void {
    const known = error instanceof AmeshError ? error : undefined;
    const detail =
      known?.message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
    if (this.#isClosed || detail === this.#trouble) return;
    this.#trouble = detail;
    const { logger, words } = this.#options;
    logger.error(`${words.failed}: ${detail}`, { code: known?.code, fix: known?.fix });
  }

  #recovered(): void {
    const { logger, words } = this.#options;
    if (this.#trouble !== undefined) logger.warn(words.recovered); // by default nothing less is shown
    this.#trouble = undefined;
  }
}
