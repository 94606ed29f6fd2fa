/** Starts an authority, for authority-start.js, and tells how long that took; goes on until its parent lets go. */
import { createAuthority } from "@authmesh/authority";
import { optionsIn } from "./enrolling-authority.js";

/** Of the process, once it listens. */
export interface Started {
  /** Milliseconds from the call to the first request that could be answered. */
  readonly ms: number;
  /** Bytes. */
  readonly rss: number;
  readonly heap: number;
  /** The longest that nothing else had a turn in the two seconds after that, in milliseconds. */
  readonly longestStop: number;
}

const [, , dir = "", port = "", url] = process.argv;
const began = performance.now();
const authority = await createAuthority(optionsIn(dir, Number(port), url ? { DATABASE_URL: url } : {}));
await authority.listen();
const ms = performance.now() - began;
const longestStop = await longestPause(2000);
globalThis.gc?.();
const { rss, heapUsed: heap } = process.memoryUsage();
process.send?.({ ms, rss, heap, longestStop } satisfies Started);
process.once("disconnect", () => void authority.close());

function longestPause(forMs: number): Promise<number> {
  const tick = 5;
  const until = performance.now() + forMs;
  let last = performance.now();
  let longest = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last - tick);
      last = now;
      if (now < until) return;
      clearInterval(timer);
      resolve(longest);
    }, tick);
  });
}
