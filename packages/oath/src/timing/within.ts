import type { Schedule } from "./unreferenced-timer.js";

/**
 * The promise's outcome, unless it takes longer; what becomes of it afterwards is nobody's.
 *
 * @param schedule default: a timer that keeps the process alive until then
 * @throws DOMException TimeoutError
 */
export async function within<Value>(
  milliseconds: number,
  promise: Promise<Value>,
  schedule: Schedule = timer,
): Promise<Value> {
  promise.catch(() => {});
  let stop = () => {};
  const timeout = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new DOMException(`no answer within ${milliseconds} ms`, "TimeoutError"));
    // An answer that came while this process was busy is read before.
    stop = schedule(() => {
      stop = schedule(giveUp, 0);
    }, milliseconds);
  });
  return Promise.race([promise, timeout]).finally(() => stop());
}

const timer: Schedule = (callback, ms) => {
  const started = setTimeout(callback, ms);
  return () => clearTimeout(started);
};
