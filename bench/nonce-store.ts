/** Does the in-memory nonce store keep up, and stay smooth, with a million live nonces? */
import { InMemoryNonceStore } from "@authmesh/core";
import { print, whole } from "./compare.js";

const live = 1_000_000;
const windowSeconds = 71;
const clock = { wall: 1_800_000_000_000, monotonic: 0 };
const step = (milliseconds: number) => {
  clock.wall += milliseconds;
  clock.monotonic += milliseconds;
};

const before = memory();
const store = new InMemoryNonceStore({
  maxNonces: 2 * live,
  now: () => clock.wall,
  monotonic: () => clock.monotonic,
});

const insert = await fill("a");
const bytes = (memory() - before) / live;
step(windowSeconds * 1000 + 1);
const expire = await fill("b");

// The peer does the least that can be done: a Map of expiry times, never cleaned up.
const peer = new Map<string, number>();
const start = performance.now();
for (let i = 0; i < live; i++) peer.set(nonce("a", i), clock.wall);
const peerRate = (live / (performance.now() - start)) * 1000;

print(`In-memory nonce store at ${whole(live)} live nonces`, {
  insert: `${whole(insert.rate)}/s (aim: at least 500,000)`,
  "insert while as many expire": `${whole(expire.rate)}/s (aim: at least 500,000)`,
  "slowest single call": `${Math.max(insert.slowest, expire.slowest).toFixed(1)} ms (aim: at most 20)`,
  "bytes a nonce": `${Math.round(bytes)} (aim: 200)`,
  "Map.set alone, nothing ever expires": `${whole(peerRate)}/s, ratio ${(insert.rate / peerRate).toFixed(2)}`,
});

async function fill(prefix: string): Promise<{ rate: number; slowest: number }> {
  let slowest = 0;
  const started = performance.now();
  let last = started;
  for (let i = 0; i < live; i++) {
    if (!(await store.checkAndRecord(nonce(prefix, i), windowSeconds)))
      throw new Error("a fresh nonce was refused");
    const now = performance.now();
    slowest = Math.max(slowest, now - last);
    last = now;
  }
  return { rate: (live / (performance.now() - started)) * 1000, slowest };
}

function nonce(prefix: string, i: number): string {
  return `am:am_${String(i % 1000).padStart(16, "0")}:${prefix}${String(i).padStart(21, "0")}`;
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
