export interface CallBounds {
  /** How many run at once; the others wait in line. */
  readonly most: number;
  /** How long one may take, waiting in line included. */
  readonly timeoutMs: number;
  /** What a call fails with that takes longer. */
  readonly tooLate: () => Error;
}

/** Calls of something foreign and slow. One that takes too long is given up, and its place taken, whether it ends or not. */
export class BoundedCalls {
  readonly #bounds: CallBounds;
  readonly #line = new Set<() => void>();
  #running = 0;

  constructor(bounds: CallBounds) {
    this.#bounds = bounds;
  }

  /** @param call is given a signal that is aborted when its time is over; may throw or reject */
  async run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const { signal } = deadline;
    const timer = setTimeout(() => deadline.abort(this.#bounds.tooLate()), this.#bounds.timeoutMs);
    try {
      await this.#enter(signal);
      try {
        return await unlessAborted(signal, call);
      } finally {
        this.#leave();
      }
    } finally {
      clearTimeout(timer);
    }
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

/** The outcome of a call, or the reason why its signal is aborted, whichever comes first. */
function unlessAborted<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason));
    call(signal).then(resolve, reject);
  });
}
