/** A timer that is later than this, in milliseconds, tells of this process and not of whom it waits for. */
const slackMs = 100;

/**
 * Acts when `milliseconds` have passed in which this process could have heard an answer: a timer that is late begins
 * anew, and what has arrived by its time is read first.
 *
 * @returns what stops it
 */
export function actAfter(milliseconds: number, act: () => void): () => void {
  let timer: NodeJS.Timeout;
  let turn: NodeJS.Immediate | undefined;
  const begin = (): void => {
    const due = performance.now() + milliseconds;
    timer = setTimeout(() => {
      const isLate = performance.now() > due + slackMs;
      turn = setImmediate(isLate ? begin : act);
    }, milliseconds);
    timer.unref();
  };
  begin();
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}
