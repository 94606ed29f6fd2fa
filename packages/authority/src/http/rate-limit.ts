/** More than anybody calls from at a time; what is beyond it waits, so that nobody's memory grows. */
const mostNames = 100_000;

/**
 * At most so many acts a minute for each name, evenly: a sixth of them may come at once (the generic cell rate
 * algorithm, which keeps one number a name).
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #monotonic: () => number;
  /** When the acts so far are paid off. */
  readonly #paidAt = new Map<string, number>();

  /** @param monotonic milliseconds that only grow */
  constructor(perMinute: number, monotonic: () => number = () => performance.now()) {
    this.#intervalMs = 60_000 / perMinute;
    this.#burstMs = 10_000;
    this.#monotonic = monotonic;
  }

  /** Counts an act. @returns the seconds to wait before the next one; undefined when this one may go on */
  take(name: string): number | undefined {
    const now = this.#monotonic();
    const paidAt = Math.max(now, this.#paidAt.get(name) ?? now);
    // The difference first: of somebody new it is 0, whatever a sum with the clock would be rounded to.
    const early = paidAt - now + this.#intervalMs - Math.max(this.#burstMs, this.#intervalMs);
    if (early > 0) return Math.ceil(early / 1000);
    if (this.#paidAt.size >= mostNames && !this.#paidAt.has(name)) {
      this.#forget(now);
      if (this.#paidAt.size >= mostNames) return 1;
    }
    this.#paidAt.set(name, paidAt + this.#intervalMs);
    return undefined;
  }

  /** Takes an act back that was counted. */
  giveBack(name: string): void {
    const paidAt = this.#paidAt.get(name);
    if (paidAt !== undefined) this.#paidAt.set(name, paidAt - this.#intervalMs);
  }

  #forget(now: number): void {
    for (const [name, paidAt] of this.#paidAt) if (paidAt <= now) this.#paidAt.delete(name);
  }
}
