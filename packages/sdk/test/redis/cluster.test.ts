import { execFileSync } from "node:child_process";
import { RedisRevocationList, RedisRevocationWriter } from "@authmesh/oath";
import { Cluster, Redis } from "ioredis";
import { createCluster } from "redis";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { type RedisClient, redisCommands } from "../../src/redis/index.js";
import { openStore, until, type Watched } from "./redis-stores.js";

let nodes: RedisServer[];

beforeAll(async () => {
  const stops: (() => Promise<void>)[] = [];
  const start = () =>
    RedisServer.start(
      (stop) => stops.push(stop),
      ...[
        "--cluster-enabled",
        "yes",
        // On a busy machine a node may be silent for seconds; nobody is to think it failed.
        "--cluster-node-timeout",
        "30000",
        "--cluster-require-full-coverage",
        "no",
      ],
    );
  nodes = [await start(), await start(), await start()];
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync("redis-cli", ["--cluster", "create", ...addresses, "--cluster-yes"], { stdio: "pipe" });
  for (const { url } of nodes) await learnsOfAll(url);
  return async () => {
    for (const stop of stops) await stop();
  };
});

/** Each node learns by itself that the cluster stands; a store that meets half of one takes the rest for lost. */
async function learnsOfAll(url: string): Promise<void> {
  const node = new Redis(url);
  await vi.waitFor(
    async () => expect(await node.cluster("INFO")).toMatch(/state:ok\s[\s\S]*slots_ok:16384/),
    { timeout: 20_000 },
  );
  node.disconnect();
}

const clusters: Readonly<Record<string, () => Promise<RedisClient>>> = {
  ioredis: async () => {
    const cluster = new Cluster(
      nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
      { clusterRetryStrategy: () => 50, slotsRefreshInterval: 200 },
    );
    cluster.on("error", () => {});
    onTestFinished(() => cluster.disconnect());
    return cluster;
  },
  redis: async () => {
    const cluster = createCluster({ rootNodes: nodes.map(({ url }) => ({ url })) });
    cluster.on("error", () => {});
    onTestFinished(() => void cluster.destroy());
    await cluster.connect();
    return cluster;
  },
};

/** A store meets each node by itself. */
const untilEveryNode = (watched: Watched) =>
  expect
    .poll(
      async () => {
        const nonces = Array.from({ length: 30 }, () => `every node ${Math.random()}`);
        return new Set(await Promise.all(nonces.map((nonce) => watched.check(nonce))));
      },
      { timeout: 20_000, interval: 20 },
    )
    .toEqual(new Set(["fresh"]));

describe.each(Object.entries(clusters))("a Redis Cluster of three nodes, over %s", (name, open) => {
  it("spreads nonces over its nodes, accepts each once, and shows it when one node forgot", async () => {
    const clock = { seconds: 1_800_000_000 };
    const now = () => clock.seconds * 1000;
    const prefix = `${name}:`;
    const one = openStore({ client: await open(), timeoutMs: 5000, prefix, now });
    const other = openStore({ client: await open(), timeoutMs: 5000, prefix, now });
    await untilEveryNode(one);
    await untilEveryNode(other);
    const nonces = Array.from({ length: 300 }, (_, i) => `${name} ${i}`);
    const answers = await Promise.all(nonces.flatMap((nonce) => [one.check(nonce), other.check(nonce)]));
    const counted = Object.fromEntries(
      [...new Set(answers)].map((answer) => [answer, answers.filter((each) => each === answer).length]),
    );
    expect(counted).toEqual({ fresh: 300, seen: 300 });
    for (const { url } of nodes) {
      const node = new Redis(url);
      expect((await node.keys(`${prefix}{?}?*`)).length).toBeGreaterThan(50);
      node.disconnect();
    }

    clock.seconds += 5;
    const [victim] = nodes as [RedisServer];
    await victim.kill();
    await victim.start();
    const after = async () => {
      for (const nonce of nonces.slice(0, 20)) {
        const answer = await one.check(nonce);
        if (answer === "fresh") expect(one.store.forgotAt).toBe(clock.seconds);
      }
      return one.store.forgotAt;
    };
    await expect.poll(after, { timeout: 20_000, interval: 20 }).toBe(clock.seconds);
    await expect
      .poll(
        async () => {
          await Promise.all(nonces.map((nonce) => other.check(nonce)));
          return other.store.forgotAt;
        },
        { timeout: 20_000, interval: 20 },
      )
      .toBe(clock.seconds);
    await until(one, "fresh");
  });

  it("holds a list of revocations, and is no list any more when one node forgot its part", async () => {
    const issuer = `https://${name}.example`;
    const commands = redisCommands(await open());
    const writer = new RedisRevocationWriter(commands, { issuer, log: "first-log" });
    const list = new RedisRevocationList(commands, { issuer, timeoutMs: 5000 });
    const changes = Array.from({ length: 300 }, (_, i) => {
      const revocation = { issuer, by: "jti" as const, value: `jti-${i}`, reason: "", actor: "", at: 1 };
      return { generation: i + 1, revocation };
    });
    await expect.poll(() => writer.fill(changes).catch(() => false), { timeout: 20_000 }).toBe(true);
    const find = (jti: string) => list.find({ iss: issuer, sub: "svc://a", jti, kid: "kid", tenant: "t" });
    const found = await Promise.all(changes.map(({ revocation }) => find(revocation.value)));
    expect(found.every((each) => each !== undefined)).toBe(true);
    expect(await find("another")).toBeUndefined();
    const victim = new Redis((nodes[1] as RedisServer).url);
    await victim.flushall();
    victim.disconnect();
    const answers = await Promise.all(
      changes.map(({ revocation }) => find(revocation.value).catch(() => "nobody can say")),
    );
    expect(answers).toContain("nobody can say");
    expect(answers).not.toContain(undefined);
    expect(await writer.confirm()).toBe(false);
  });
});
