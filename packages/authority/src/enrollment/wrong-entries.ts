/** Names in memory at most. Beyond that nobody new may try until some are over. */
const mostNames = 100_000;
const windowMs = 60_000;

/**
 * At most so many wrong entries a minute for each name. An entry counts as wrong from its beginning until it is found
 * right, so that guesses made at one time are counted, too.
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

  /** Seconds until another entry may be looked at; undefined where it may be now. */
  wait(name: string): number | undefined {
    const now = this.#monotonic();
    const [oldest, ...others] = this.#recent(name, now);
    if (oldest !== undefined && others.length + 1 >= this.#most)
      return Math.max(1, Math.ceil((oldest + windowMs - now) / 1000));
    if (this.#begun.size < mostNames || this.#begun.has(name)) return undefined;
    for (const each of [...this.#begun.keys()]) this.#recent(each, now);
    return this.#begun.size < mostNames ? undefined : 1;
  }

  /** Counts an entry. @returns what takes it back, to be called where it was right */
  begin(name: string): () => void {
    const now = this.#monotonic();
    this.#begun.set(name, [...this.#recent(name, now), now]);
    return () => {
      const times = this.#recent(name, now);
      const at = times.indexOf(now);
      this.#keep(
        name,
        times.filter((_, index) => index !== at),
      );
    };
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
