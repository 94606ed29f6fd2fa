import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import type { RelayOptions } from "../src/relay-options.js";
import { Device } from "./device.js";
import { type RunningRelay, startRelay } from "./running-relay.js";

export interface Instances {
  readonly redis: RedisServer;
  /** A client of the test's own. */
  readonly client: Redis;
  readonly one: RunningRelay;
  readonly other: RunningRelay;
}

/** Two instances that share a Redis of their own. */
export async function startInstances(options: RelayOptions = {}): Promise<Instances> {
  const redis = await RedisServer.start(onTestFinished);
  const client = new Redis(redis.url);
  client.on("error", () => {}); // Some tests take Redis away.
  onTestFinished(() => client.disconnect());
  const start = () => startRelay({ redisUrl: redis.url, ...options });
  const [one, other] = await Promise.all([start(), start()]);
  return { redis, client, one, other };
}

/** Two devices that found each other, the target at `one`. */
export async function pairAcross({ one, other }: Pick<Instances, "one" | "other">, otc = "482916") {
  const target = await Device.open(one.url);
  await target.ask({ type: "listen", otc });
  const controller = await Device.open(other.url);
  await controller.ask({ type: "connect", otc });
  await target.next();
  return { target, controller };
}

/** What a fresh device is told first. */
export async function tell(
  { url }: RunningRelay,
  type: "listen" | "connect",
  otc: string,
  from?: string,
): Promise<unknown> {
  const device = await Device.open(url, from);
  return device.ask({ type, otc });
}

/** All keys in Redis, and for how many milliseconds more. */
export async function keysOf(client: Redis): Promise<ReadonlyMap<string, number>> {
  const keys = await client.keys("*");
  return new Map(await Promise.all(keys.map(async (key) => [key, await client.pttl(key)] as const)));
}
