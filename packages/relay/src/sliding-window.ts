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
    return this.isUsed(1, now);
  }

  /** Whether at least this share of the limit is used: more than 0, at most 1. */
  isUsed(share: number, now: number): boolean {
    const count = Math.ceil(this.#limit * share);
    // The last but `count - 1`; while the window has not seen so many, there is nothing in its place.
    const time = this.#times[(this.#oldest - count + this.#limit) % this.#limit];
    return time !== undefined && now - time < this.#window;
  }

  record(now: number): void {
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#limit;
  }
}
