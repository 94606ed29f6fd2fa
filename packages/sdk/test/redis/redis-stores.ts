import { Redis } from "ioredis";
import { createClient } from "redis";
import { expect, onTestFinished } from "vitest";
import type { NonceStoreEvent, RedisNonceStoreOptions } from "../../src/redis/index.js";
import { RedisNonceStore } from "../../src/redis/index.js";
import { openNodeRedis } from "../../src/redis/open-redis.js";

/** What a store said and told, besides the store. */
export interface Watched {
  readonly store: RedisNonceStore;
  readonly log: string[];
  readonly events: NonceStoreEvent[];
  /** "fresh", "seen", or the code and the reason of the refusal. */
  check(nonce: string, windowSeconds?: number): Promise<string>;
}

/** A store that is closed when the test ends. */
export function openStore(target: string | RedisNonceStoreOptions): Watched {
  const log: string[] = [];
  const events: NonceStoreEvent[] = [];
  const write = (message: string) => void log.push(message);
  const store = new RedisNonceStore({
    pauseMs: 50,
    timeoutMs: 2000, // a busy machine is no outage
    ...(typeof target === "string" ? { redisUrl: target } : target),
    logger: { debug() {}, info: write, warn: write, error: write },
    observe: (event) => void events.push(event),
  });
  onTestFinished(() => store.close());
  const check = (nonce: string, windowSeconds = 71) =>
    store.checkAndRecord(nonce, windowSeconds).then(
      (fresh) => (fresh ? "fresh" : "seen"),
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  return { store, log, events, check };
}

/** The ways to reach a Redis, each with what its store is made of. */
export const libraries: Readonly<Record<string, (url: string) => Promise<RedisNonceStoreOptions>>> = {
  "a URL": async (redisUrl) => ({ redisUrl }),
  "a client of ioredis": async (url) => {
    const client = new Redis(url);
    client.on("error", () => {});
    onTestFinished(async () => client.disconnect());
    return { client };
  },
  "a client of redis": async (url) => {
    const client = createClient({ url });
    client.on("error", () => {});
    onTestFinished(async () => client.destroy());
    await client.connect();
    return { client };
  },
  "redis where ioredis is not installed": async (url) => {
    const commands = await openNodeRedis(url, 20_000);
    onTestFinished(() => commands.close());
    const sendCommand = ([name = "", ...args]: string[]) => commands.send("", [name, ...args]);
    return { client: { sendCommand, isOpen: true } };
  },
};

/** Asks with ever new nonces until an answer fits; gives that nonce. */
export async function until(watched: Watched, answer: string | RegExp): Promise<string> {
  let nonce = "";
  const ask = () => {
    nonce = `until ${Math.random()}`;
    return watched.check(nonce);
  };
  await expect.poll(ask, { interval: 5, timeout: 10_000 }).toMatch(answer);
  return nonce;
}
