import {
  RedisRevocationList,
  type RedisRevocationListOptions,
  RedisRevocationWriter,
  type RedisRevocationWriterOptions,
  type Revocation,
  type RevocationChange,
} from "@authmesh/oath";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  beginning,
  entry,
  issuer,
  revocationSourceConformance,
  token,
} from "../../../../test/conformance/suites/revocation-source.js";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { redisCommands } from "../../src/redis/index.js";

const unavailable = expect.objectContaining({ code: "revocation_unavailable" });
const add = (generation: number, revocation: Revocation): RevocationChange => ({ generation, revocation });
const remove = (generation: number, { issuer, by, value }: Revocation): RevocationChange => ({
  generation,
  removed: { issuer, by, value },
});

function scene(server: RedisServer) {
  const clock = { seconds: beginning };
  const now = () => clock.seconds * 1000;
  const client = () => {
    const redis = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: 0 });
    redis.on("error", () => {});
    onTestFinished(async () => redis.disconnect());
    return redis;
  };
  const redis = client();
  const openList = (options: Partial<RedisRevocationListOptions> = {}) =>
    new RedisRevocationList(redisCommands(client()), { issuer, now, pauseMs: 50, ...options });
  const openWriter = (options: Partial<RedisRevocationWriterOptions> = {}) =>
    new RedisRevocationWriter(redisCommands(redis), { issuer, log: "first-log", now, ...options });
  return { clock, redis, openList, openWriter };
}

const fresh = async () => {
  const server = await RedisServer.start(onTestFinished);
  return { server, ...scene(server) };
};

let shared: RedisServer;
beforeAll(async () => {
  let stop = async () => {};
  shared = await RedisServer.start((ended) => {
    stop = ended;
  });
  return () => stop();
});

let prefixes = 0;
const conformingScene = async (commands?: () => Promise<Parameters<typeof redisCommands>[0]>) => {
  const { clock, openList, openWriter } = scene(shared);
  const prefix = `ar${prefixes++}:`;
  const now = () => clock.seconds * 1000;
  const writer = openWriter({ prefix });
  await writer.fill([]);
  return {
    source:
      commands === undefined
        ? openList({ prefix })
        : new RedisRevocationList(redisCommands(await commands()), { issuer, prefix, now }),
    change: (...changes: readonly RevocationChange[]) => writer.apply(changes),
    pass: (seconds: number) => {
      clock.seconds += seconds;
    },
  };
};

revocationSourceConformance("a list in Redis", conformingScene);
revocationSourceConformance("a list in Redis, over the other library,", () =>
  conformingScene(async () => {
    const client = createClient({ url: shared.url });
    onTestFinished(async () => client.destroy());
    await client.connect();
    return client;
  }),
);

describe("a Redis that does not hold the whole list", () => {
  it("is no empty list when it is empty", async () => {
    const { openList } = await fresh();
    await expect(openList().find(token())).rejects.toEqual(unavailable);
  });

  it("is none while it is filled, and is one afterwards", async () => {
    const { openList, openWriter } = await fresh();
    const list = openList();
    const halfway = async function* () {
      yield add(1, entry("jti", "jti-1"));
      await expect(list.find(token())).rejects.toEqual(unavailable);
    };
    expect(await openWriter().fill(halfway())).toBe(true);
    expect(await list.find(token())).toMatchObject({ value: "jti-1" });
  });

  it.each<[string, (server: RedisServer, redis: Redis) => Promise<unknown>]>([
    ["was restarted empty", (server) => server.kill().then(() => server.start())],
    ["was emptied", (_, redis) => redis.flushall()],
  ])("is none after it %s, until the issuer finds out and fills it anew", async (_, happen) => {
    const { server, redis, openList, openWriter } = await fresh();
    const list = openList();
    const writer = openWriter();
    const all = [add(1, entry("jti", "jti-1"))];
    await writer.fill(all);
    expect(await list.find(token())).toBeDefined();
    await happen(server, redis);
    for (const jti of ["jti-1", "jti-2"])
      await expect(list.find(token({ jti }))).rejects.toEqual(unavailable);
    await expect.poll(() => writer.confirm().catch(() => "away"), { interval: 10 }).toBe(false);
    await writer.apply([add(2, entry("jti", "jti-2"))]);
    await expect(list.find(token({ jti: "jti-2" }))).rejects.toEqual(unavailable);
    expect(await writer.fill([...all, add(2, entry("jti", "jti-2"))])).toBe(true);
    expect(await writer.confirm()).toBe(true);
    for (const jti of ["jti-1", "jti-2"])
      await expect.poll(() => list.find(token({ jti })).catch(() => undefined)).toBeDefined();
  });

  it("is none when it was restarted with what it had saved, which may not be all", async () => {
    const { server, redis, openList, openWriter } = await fresh();
    await openWriter().fill([add(1, entry("jti", "jti-1"))]);
    await redis.save();
    await server.kill();
    await server.start();
    const list = openList();
    await expect.poll(() => redis.exists(`ar:{${7}}${issuer}`).catch(() => 0)).toBe(1);
    await expect(list.find(token())).rejects.toThrow(/does not hold the whole list/);
  });

  it("is none when it was emptied while it was filled", async () => {
    const { redis, openList, openWriter } = await fresh();
    const writer = openWriter();
    const emptied = async function* () {
      yield add(1, entry("jti", "jti-1"));
      await redis.flushall();
    };
    expect(await writer.fill(emptied())).toBe(false);
    await expect(openList().find(token())).rejects.toEqual(unavailable);
  });

  it("stays one while it is filled again, if it lost nothing", async () => {
    const { openList, openWriter } = await fresh();
    const list = openList();
    const all = [add(1, entry("jti", "jti-1"))];
    await openWriter().fill(all);
    const again = async function* () {
      yield* all;
      expect(await list.find(token())).toBeDefined();
    };
    expect(await openWriter().fill(again())).toBe(true);
  });

  it("is none when nobody brings it up to date", async () => {
    const { clock, openList, openWriter } = await fresh();
    const list = openList({ maxStaleSeconds: 60 });
    const writer = openWriter();
    await writer.fill([]);
    clock.seconds += 60;
    expect(await list.find(token())).toBeUndefined();
    clock.seconds += 1;
    await expect(list.find(token())).rejects.toThrow(/nobody brings the list up to date/);
    expect(await writer.confirm()).toBe(true);
    expect(await list.find(token())).toBeUndefined();
  });

  it("is refused when it evicts", async () => {
    const settings = ["--maxmemory", "50mb", "--maxmemory-policy", "volatile-ttl"];
    const server = await RedisServer.start(onTestFinished, ...settings);
    const { openWriter } = scene(server);
    await expect(openWriter().fill([])).rejects.toThrow(/drops what is still needed/);
  });
});

describe("changes in Redis", () => {
  it("count by their generations, whoever writes them in whatever order", async () => {
    const { openList, openWriter } = await fresh();
    const list = openList();
    const one = openWriter();
    const other = openWriter();
    await one.fill([]);
    await other.apply([remove(2, entry("jti", "jti-1"))]);
    await one.apply([add(1, entry("jti", "jti-1"))]);
    expect(await list.find(token())).toBeUndefined();
    await one.apply([add(3, entry("jti", "jti-1"))]);
    await other.apply([remove(2, entry("jti", "jti-1"))]);
    expect(await list.find(token())).toBeDefined();
  });

  it("of an earlier log count no more, whatever their generations", async () => {
    const { openList, openWriter } = await fresh();
    const list = openList();
    await openWriter().fill([add(100, entry("jti", "jti-1")), add(101, entry("jti", "jti-2"))]);
    expect(
      await openWriter({ log: "other-log" }).fill([add(1, entry("jti", "jti-2", { reason: "new" }))]),
    ).toBe(true);
    expect(await list.find(token({ jti: "jti-1" }))).toBeUndefined();
    expect(await list.find(token({ jti: "jti-2" }))).toMatchObject({ reason: "new" });
  });

  it("take memory only until they expire", async () => {
    const { redis, openWriter } = await fresh();
    const writer = openWriter();
    await writer.fill([]);
    const markers = await redis.dbsize();
    const expiresAt = beginning + 0.05;
    await writer.apply([add(1, entry("jti", "a", { expiresAt })), remove(2, entry("jti", "b"))]);
    await expect.poll(() => redis.dbsize(), { interval: 10 }).toBe(markers + 1);
    const [removal = ""] = await redis.keys("* jti b");
    expect(await redis.pttl(removal)).toBeLessThanOrEqual(3600_000);
  });

  it("that could not be written are not passed over", async () => {
    const { server, openList, openWriter } = await fresh();
    const writer = openWriter({ timeoutMs: 50 });
    const list = openList({ maxStaleSeconds: 60 });
    await writer.fill([]);
    server.pause();
    await expect(writer.apply([add(1, entry("jti", "jti-1"))])).rejects.toEqual(unavailable);
    server.resume();
    expect(await writer.confirm()).toBe(false);
    expect(await writer.fill([add(1, entry("jti", "jti-1"))])).toBe(true);
    expect(await writer.confirm()).toBe(true);
    await expect.poll(() => list.find(token()).catch(() => undefined)).toBeDefined();
  });

  it("that cannot be read are no permission", async () => {
    const { redis, openList, openWriter } = await fresh();
    await openWriter().fill([add(1, entry("jti", "jti-1"))]);
    const [key = ""] = await redis.keys("* jti jti-1");
    await redis.set(key, "first-log 1 garbage");
    await expect(openList().find(token())).rejects.toThrow(/cannot be read/);
  });
});

describe("a Redis that is away", () => {
  it("is killed: nobody can say, in bounded time, and soon without asking; then it is used again", async () => {
    const { server, openList, openWriter } = await fresh();
    const list = openList();
    const writer = openWriter();
    await writer.fill([]);
    expect(await list.find(token())).toBeUndefined();
    await server.kill();
    const started = performance.now();
    for (let i = 0; i < 20; i++) await expect(list.find(token())).rejects.toEqual(unavailable);
    expect(performance.now() - started).toBeLessThan(20 * 250);
    await server.start();
    await expect.poll(() => writer.fill([add(1, entry("jti", "jti-1"))]).catch(() => false)).toBe(true);
    await expect.poll(() => list.find(token()).catch(() => undefined)).toBeDefined();
  });

  it("hangs: nobody can say, within 250 ms, and as it was once it goes on", async () => {
    const { server, openList, openWriter } = await fresh();
    const list = openList({ maxWaiting: 50 });
    await openWriter().fill([add(1, entry("jti", "jti-1"))]);
    expect(await list.find(token())).toBeDefined();
    server.pause();
    const started = performance.now();
    const asked = Array.from({ length: 100 }, () =>
      list.find(token()).catch((error: Error) => error.message),
    );
    const answers = await Promise.all(asked);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(answers.filter((each) => /no answer in time/.test(String(each)))).toHaveLength(50);
    expect(answers.filter((each) => /50 questions wait/.test(String(each)))).toHaveLength(50);
    server.resume();
    await expect.poll(() => list.find(token()).catch(() => undefined)).toBeDefined();
  });
});
