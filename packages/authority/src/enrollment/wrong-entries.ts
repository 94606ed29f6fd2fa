/** Names in memory at most. Beyond that nobody new may try until some are over. */
const mostNames = 100_000;
const windowMs = 60_000;

/**
 * At most so many entries a minute for each name, all at once if they like: a person mistypes. Those that were right are
 * given back.
 */
export class WrongEntries {
  readonly #most: number;
  readonly #monotonic: () => number;
  /** When each entry began; the oldest first. */
  readonly #begun = new Map<string, readonly number[]>();

  /** @param monotonic milliseconds that only grow */
  constructor(mostAMinute: number, monotonic: () => number = () => performance.now()) {
    this.#most = mostAMinute;
    this.#monotonic = monotonic;
  }

  /** Counts an entry. @returns the seconds to wait before the next one; undefined when this one may be looked at */
  take(name: string): number | undefined {
    const now = this.#monotonic();
    const times = this.#recent(name, now);
    const [oldest = now] = times;
    if (times.length >= this.#most) return Math.max(1, Math.ceil((oldest + windowMs - now) / 1000));
    if (times.length === 0 && !this.#hasRoom(now)) return 1;
    this.#begun.set(name, [...times, now]);
    return undefined;
  }

  /** Takes an entry back that was counted. */
  giveBack(name: string): void {
    this.#keep(name, (this.#begun.get(name) ?? []).slice(0, -1));
  }

  #hasRoom(now: number): boolean {
    if (this.#begun.size < mostNames) return true;
    for (const name of [...this.#begun.keys()]) this.#recent(name, now);
    return this.#begun.size < mostNames;
  }

  #recent(name: string, now: number): readonly number[] {
    const times = (this.#begun.get(name) ?? []).filter((time) => now - time < windowMs);
    this.#keep(name, times);
    return times;
  }

  #keep(name: string, times: readonly number[]): void {
    if (times.length === 0) this.#begun.delete(name);
    else this.#begun.set(name, times);
  }
}
