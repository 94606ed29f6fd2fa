/** At most `limit` events in any window, exactly: the times of the last `limit` events, and nothing else. */
export class SlidingWindow {
  readonly #limit: number;
  readonly #window: number;
  readonly #times: number[] = [];
  #oldest = 0;

  /** @param window milliseconds */
  constructor(limit: number, window: number) {
    this.#limit = limit;
    this.#window = window;
  }

  isFull(now: number): boolean {
    const oldest = this.#times[this.#oldest];
    return this.#times.length === this.#limit && oldest !== undefined && now - oldest < this.#window;
  }

  record(now: number): void {
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#limit;
  }
}
