export interface CallBounds {
  /** How many run at once; the others wait in line. */
  readonly most: number;
  /** How long one may take, waiting in line included. */
  readonly timeoutMs: number;
  /** What a call fails with that takes longer. */
  readonly tooLate: () => Error;
  /** How many may be given up and not have ended: beyond that none begins. */
  readonly mostGivenUp: number;
  /** What a call fails with then, at once. */
  readonly tooMany: () => Error;
}

/**
 * Calls of something foreign and slow. One that takes too long is given up, and its place taken, whether it ends or not;
 * what does not end takes up memory and more, so that `most` + `mostGivenUp` are the most that are ever under way.
 */
export class BoundedCalls {
  readonly #bounds: CallBounds;
  readonly #line = new Set<() => void>();
  #running = 0;
  #givenUp = 0;

  constructor(bounds: CallBounds) {
    this.#bounds = bounds;
  }

  /** @param call is given a signal that is aborted when its time is over; may throw or reject */
  async run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#assertFewGivenUp();
    const deadline = new AbortController();
    const { signal } = deadline;
    const timer = setTimeout(() => deadline.abort(this.#bounds.tooLate()), this.#bounds.timeoutMs);
    try {
      await this.#enter(signal);
      try {
        this.#assertFewGivenUp(); // those before it in the line may have been
        return await this.#unlessAborted(signal, call);
      } finally {
        this.#leave();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The outcome of a call, or the reason why its signal is aborted, whichever comes first. */
  #unlessAborted<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      let hasEnded = false;
      signal.addEventListener("abort", () => {
        if (!hasEnded) this.#givenUp++;
        reject(signal.reason);
      });
      const end = () => {
        hasEnded = true;
        if (signal.aborted) this.#givenUp--;
      };
      const outcome = call(signal);
      outcome.then(end, end);
      outcome.then(resolve, reject);
    });
  }

  #assertFewGivenUp(): void {
    if (this.#givenUp >= this.#bounds.mostGivenUp) throw this.#bounds.tooMany();
  }

  #enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.#running < this.#bounds.most) {
      this.#running++;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#line.add(resolve);
      signal.addEventListener("abort", () => {
        if (this.#line.delete(resolve)) reject(signal.reason);
      });
    });
  }

  /** The place is handed on, so that nobody overtakes whoever waits. */
  #leave(): void {
    const [next] = this.#line;
    if (next === undefined) this.#running--;
    else {
      this.#line.delete(next);
      next();
    }
  }
}
