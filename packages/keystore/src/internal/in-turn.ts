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
