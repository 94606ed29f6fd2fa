import { inTurn } from "./in-turn.js";

/**
 * Like `inTurn`, for a device that may hang or never come free: nobody waits longer than `timeoutMs`, the wait for
 * others included.
 *
 * @param late what is thrown then
 * @param work obeys the signal, whose reason is `late`; a turn that comes too late is not taken
 */
export function inTimedTurn<T>(
  key: string,
  timeoutMs: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(late()), timeoutMs);
  const { signal } = deadline;
  let isOurTurn = false;
  const neverOurTurn = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => isOurTurn || reject(signal.reason));
  });
  const turn = inTurn(key, async () => {
    isOurTurn = true;
    signal.throwIfAborted();
    return work(signal);
  });
  return Promise.race([turn, neverOurTurn]).finally(() => clearTimeout(timer));
}
