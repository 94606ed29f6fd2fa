/** Milliseconds of two clocks: one that people set, and one that only grows. */
export interface Clocks {
  readonly now: () => number;
  readonly monotonic: () => number;
}

/** A moment on both. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export const systemClocks: Clocks = { now: () => Date.now(), monotonic: () => performance.now() };

export const momentOf = ({ now, monotonic }: Clocks): Moment => ({ wall: now(), monotonic: monotonic() });

/**
 * Milliseconds since a moment, on whichever clock says more: nothing becomes younger because a clock was set back, or
 * because the machine slept.
 */
export const ageOf = (moment: Moment, { now, monotonic }: Clocks): number =>
  Math.max(now() - moment.wall, monotonic() - moment.monotonic);
