import { AmeshError } from "@authmesh/core";
import { ageOf, type Clocks, type Moment, momentOf } from "../timing/age.js";

export interface RefresherOptions extends Clocks {
  /** Fetches what is to be fresh, and says in how many milliseconds to do it again. */
  readonly refresh: () => Promise<number>;
  /** Milliseconds until another attempt after a failure; each further failure doubles them. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Calls back after some milliseconds; returns the way to stop that. */
  readonly schedule: (callback: () => void, ms: number) => () => void;
}

interface Failed {
  readonly error: unknown;
  readonly at: Moment;
  readonly pauseMs: number;
}

/** Keeps something fresh: one attempt at a time, by a timer from the first one on, and with pauses after failures. */
export class Refresher {
  readonly #options: RefresherOptions;
  #flight: Promise<void> | undefined;
  #failed: Failed | undefined;
  #stopTimer: () => void = () => {};
  #stopped = false;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  get underWay(): boolean {
    return this.#flight !== undefined;
  }

  /** Whether the last attempt failed. */
  get failing(): boolean {
    return this.#failed !== undefined;
  }

  /**
   * Joins the attempt that is under way, or begins one.
   *
   * @throws what the attempt throws; in the pause after a failure that failure, at once
   */
  async run(): Promise<void> {
    if (!this.underWay && this.#pause().remainingMs > 0) throw this.failure();
    await this.#attempt();
  }

  /** As `run`, for those who go on whatever comes of it. Undefined in the pause after a failure. */
  nudge(): Promise<void> | undefined {
    return this.underWay || this.#pause().remainingMs <= 0 ? this.#attempt().catch(() => {}) : undefined;
  }

  /** The last failure, with the time of the next attempt: of its own for each caller, so that none changes another's. */
  failure(): unknown {
    const { failed, remainingMs } = this.#pause();
    if (!(failed?.error instanceof AmeshError)) return failed?.error;
    const retryAfterSeconds = Math.max(1, Math.ceil(remainingMs / 1000));
    return new AmeshError({ ...failed.error.failure, retryAfterSeconds });
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
  }

  #attempt(): Promise<void> {
    this.#flight ??= this.#refresh().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #refresh(): Promise<void> {
    const { refresh, firstPauseMs, longestPauseMs } = this.#options;
    try {
      const againInMs = await refresh();
      this.#failed = undefined;
      this.#wake(againInMs);
    } catch (error) {
      const pauseMs = Math.min(longestPauseMs, 2 * (this.#failed?.pauseMs ?? firstPauseMs / 2));
      this.#failed = { error, at: momentOf(this.#options), pauseMs };
      this.#wake(pauseMs);
      throw error;
    }
  }

  #wake(ms: number): void {
    this.#stopTimer();
    if (this.#stopped) return;
    this.#stopTimer = this.#options.schedule(() => void this.#attempt().catch(() => {}), ms);
  }

  #pause(): { failed: Failed | undefined; remainingMs: number } {
    const failed = this.#failed;
    return {
      failed,
      remainingMs: failed === undefined ? 0 : failed.pauseMs - ageOf(failed.at, this.#options),
    };
  }
}
