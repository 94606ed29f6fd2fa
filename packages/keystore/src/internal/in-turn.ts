const queues = new Map<string, Promise<unknown>>();

/** Callers of one process come one after another, `key` by `key`, so that they do not poll against each other. */
export function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const turn = (queues.get(key) ?? Promise.resolve()).then(work);
  const settled = turn
    .catch(() => undefined)
    .finally(() => {
      if (queues.get(key) === settled) queues.delete(key);
    });
  queues.set(key, settled);
  return turn;
}

/**
 * As `inTurn`, for work that may hang and cannot be stopped: the caller gets `tooLate()` when the time is over. What
 * has begun goes on, and the turn is its own until it ends; what has not begins no more.
 */
export function inTurnWithin<T>(
  key: string,
  timeoutMs: number,
  tooLate: () => Error,
  work: () => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(tooLate());
    }, timeoutMs);
    inTurn(key, async () => {
      if (!isLate) resolve(await work());
    })
      .catch(reject)
      .finally(() => clearTimeout(timer));
  });
}
