/** Lets one event of each kind into a log every second, so that a flood of them fills no disk. */
export class LogThrottle<Kind> {
  readonly #kinds = new Map<Kind, { openedAt: number; leftOut: number }>();

  /**
   * @param now milliseconds that only grow
   * @returns how many of the kind were left out since the last one that was let in; undefined: leave this one out
   */
  admit(kind: Kind, now: number): number | undefined {
    const last = this.#kinds.get(kind);
    if (last !== undefined && now - last.openedAt < intervalMs) {
      last.leftOut++;
      return undefined;
    }
    this.#kinds.set(kind, { openedAt: now, leftOut: 0 });
    return last?.leftOut ?? 0;
  }
}

const intervalMs = 1000;
