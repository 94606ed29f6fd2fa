/** What does a shared store add to a check at 2,000 a second, and how much memory does a nonce take in Redis? */
import { InMemoryNonceStore, type NonceStore } from "@authmesh/core";
import { RedisNonceStore } from "@authmesh/sdk/redis";
import { Redis } from "ioredis";
import { RedisServer } from "../test/fixtures/redis-server.js";
import { median, print, whole } from "./compare.js";

const perSecond = 2000;
const seconds = 4;
const rounds = 3;
const windowSeconds = 71;

const stops: (() => Promise<void>)[] = [];
const server = await RedisServer.start((stop) => stops.push(stop));
const admin = new Redis(server.url);
const ours = new RedisNonceStore(server.url);
const peer = new InMemoryNonceStore();

let drawn = 0;
const nonce = () => `am:am_${String(drawn % 1000).padStart(16, "0")}:${String(drawn++).padStart(22, "0")}`;

/** The least that can be done: the one command, and nothing that notices a loss. */
const floor: NonceStore = {
  checkAndRecord: async (name, forSeconds) =>
    (await admin.set(`bare:${name}`, "1", "PX", forSeconds * 1000, "NX")) === "OK",
};

const stores = { ours, floor, peer };
const p99 = { ours: [] as number[], floor: [] as number[], peer: [] as number[] };
for (let round = 0; round <= rounds; round++) {
  const keep = round > 0; // the first warms up
  for (const name of ["ours", "floor", "peer"] as const) {
    const value = percentile(await rate(stores[name], keep ? seconds : 1));
    if (keep) p99[name].push(value);
  }
}
const added = median(p99.ours.map((value, round) => value - (p99.peer[round] as number)));
print(
  `A check at ${whole(perSecond)} a second, Redis on loopback, ${rounds} alternated rounds of ${seconds} s`,
  {
    "RedisNonceStore, p99": `${median(p99.ours).toFixed(2)} ms`,
    "InMemoryNonceStore, p99": `${median(p99.peer).toFixed(2)} ms`,
    "added p99": `${added.toFixed(2)} ms`,
    aim: "below 2 ms",
    met: added < 2 ? "yes" : "NO",
    "SET alone, over ioredis, p99": `${median(p99.floor).toFixed(2)} ms`,
  },
);

const many = 100_000;
const before = await usedMemory();
const started = performance.now();
for (let i = 0; i < many; i += 100)
  await Promise.all(Array.from({ length: 100 }, () => ours.checkAndRecord(nonce(), windowSeconds)));
const fill = (many / (performance.now() - started)) * 1000;
const slope = ((await usedMemory()) - before) / many;
const [, keys] = await admin.scan(0, "MATCH", "am:{?}?*", "COUNT", 100);
const usage = await admin.call("MEMORY", "USAGE", keys[0] as string);
print(`Memory in Redis, ${whole(many)} more nonces`, {
  "bytes a nonce, used_memory": slope.toFixed(0),
  "bytes a nonce, MEMORY USAGE": String(usage),
  "recorded, 100 at once": `${whole(fill)}/s`,
});

await ours.close();
admin.disconnect();
for (const stop of stops) await stop();

/** Checks at a steady rate, begun when they are due and not when the one before is done; gives how long each took. */
async function rate(store: NonceStore, forSeconds: number): Promise<number[]> {
  const took: number[] = [];
  const running: Promise<void>[] = [];
  const start = performance.now();
  await new Promise<void>((resolve) => {
    const tick = () => {
      const due = ((performance.now() - start) / 1000) * perSecond;
      while (running.length < Math.min(due, perSecond * forSeconds)) running.push(check());
      if (running.length < perSecond * forSeconds) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  await Promise.all(running);
  return took;

  async function check(): Promise<void> {
    const begun = performance.now();
    if (!(await store.checkAndRecord(nonce(), windowSeconds))) throw new Error("a fresh nonce was refused");
    took.push(performance.now() - begun);
  }
}

function percentile(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length * 0.99)] as number;
}

async function usedMemory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await admin.info("memory"))?.[1]);
}
