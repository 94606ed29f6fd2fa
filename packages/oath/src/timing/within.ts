/**
 * The promise's outcome, unless it takes longer; what becomes of it afterwards is nobody's.
 *
 * @throws DOMException TimeoutError
 */
export async function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new DOMException(`no answer within ${milliseconds} ms`, "TimeoutError"));
    // An answer that came while this process was busy is read before.
    timer = setTimeout(() => {
      timer = setTimeout(giveUp);
    }, milliseconds);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
