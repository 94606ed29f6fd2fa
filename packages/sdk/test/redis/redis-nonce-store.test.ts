import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { nonceStoreConformance } from "../../../../test/conformance/suites/nonce-store.js";
import { watchRedis } from "../../../../test/fixtures/redis-monitor.js";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { type RedisClient, RedisNonceStore } from "../../src/redis/index.js";
import { establishScript } from "../../src/redis/memory-marker.js";
import { slots } from "../../src/redis/nonce-key.js";
import { libraries, openStore } from "./redis-stores.js";

let server: RedisServer;
let admin: Redis;

beforeAll(async () => {
  const stops: (() => Promise<void>)[] = [];
  server = await RedisServer.start((stop) => stops.push(stop));
  admin = new Redis(server.url);
  return async () => {
    admin.disconnect();
    for (const stop of stops) await stop();
  };
});

/** Lets time pass for every key that lives for a time. */
const age = (milliseconds: number) =>
  admin.eval(
    `for _, key in ipairs(redis.call('KEYS', '*')) do
       local left = redis.call('PTTL', key)
       if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
     end`,
    0,
    milliseconds,
  ) as Promise<void>;

for (const [name, options] of Object.entries(libraries)) {
  nonceStoreConformance(`RedisNonceStore over ${name}`, async () => {
    await admin.flushall();
    return { store: openStore(await options(server.url)).store, clock: { advance: age } };
  });
}

describe("what is in Redis", () => {
  it("is a short key a nonce, hashed, with the prefix, for its time; and a marker a slot, for ever", async () => {
    await admin.flushall();
    const { check } = openStore({ redisUrl: server.url, prefix: "x:" });
    const long = `om:https://issuer.example:${"j".repeat(5000)}`;
    for (const nonce of ["am:am_JjcHdWacSYujhwLD:vrRc1PZ9YPcKefdbyP4wtg", long]) {
      expect(await check(nonce, 71)).toBe("fresh");
      const hash = createHash("sha256").update(nonce).digest().subarray(0, 16).toString("base64url");
      const key = `x:{${hash[0]}}${hash.slice(1)}`;
      expect(await admin.get(key)).toBe("1");
      const left = await admin.pttl(key);
      expect(left).toBeGreaterThan(60_000);
      expect(left).toBeLessThanOrEqual(71_000);
    }
    const markers = await admin.mget(slots.map((slot) => `x:{${slot}}`));
    expect(markers.every((marker) => /^[\w-]{11} [0-9a-f]{40} new [0-9]{10}$/.test(marker ?? ""))).toBe(true);
    expect(await admin.pttl("x:{A}")).toBe(-1);
    expect(await admin.dbsize()).toBe(2 + 64);
  });

  it("is not shared with another prefix", async () => {
    const [one, other] = [openStore(server.url), openStore({ redisUrl: server.url, prefix: "other:" })];
    expect([await one.check("n"), await other.check("n"), await one.check("n")]).toEqual([
      "fresh",
      "fresh",
      "seen",
    ]);
  });

  it("is asked by two commands of one key each, sent together: SET NX PX and the marker's script", async () => {
    const { check } = openStore(server.url);
    await check("first");
    const watched = await watchRedis(server.port, onTestFinished);
    await check("second", 1.5);
    await admin.ping();
    await expect.poll(() => watched.at(-1)?.command[0]).toBe("ping");
    const seen = watched.filter(({ source }) => source !== "lua").map(({ command }) => command);
    expect(seen.map(([name, ...args]) => [name?.toLowerCase(), args.length])).toEqual([
      ["set", 5],
      ["evalsha", 4],
      ["ping", 0],
    ]);
    expect(seen[0]?.slice(2)).toEqual(["1", "NX", "PX", "1500"]);
    expect(seen[1]?.[3]).toBe(seen[0]?.[1]?.slice(0, 6));
  });
});

describe("a Redis that is not fit", () => {
  it("is refused when it evicts, unless that is allowed", async () => {
    const evicting = await RedisServer.start(
      onTestFinished,
      "--maxmemory",
      "50mb",
      "--maxmemory-policy",
      "volatile-lru",
    );
    const refused = openStore(evicting.url);
    expect(await refused.check("n")).toMatch(/^replay_store_unavailable: .*maxmemory-policy "volatile-lru"/);
    expect(refused.log.join()).toContain("volatile-lru");
    expect(await openStore({ redisUrl: evicting.url, allowEviction: true }).check("n")).toBe("fresh");
  });

  it("is not asked beyond the memory that it has: what cannot be recorded is refused", async () => {
    const small = await RedisServer.start(onTestFinished);
    const { check } = openStore(small.url);
    expect(await check("n")).toBe("fresh");
    const other = new Redis(small.url);
    await other.config("SET", "maxmemory", "1");
    expect(await check("m")).toMatch(/cannot be asked: it answers OOM\.$/);
    expect(await check("n")).toMatch(/OOM/);
    other.disconnect();
  });

  it("is refused when what answers is no Redis that amesh knows", async () => {
    for (const reply of [
      "PONG",
      null,
      7,
      ["a"],
      new Error("ERR unknown command 'EVAL'"),
      "x\n0 noeviction",
    ]) {
      const sendCommand = async () => {
        if (reply instanceof Error) throw reply;
        return reply;
      };
      expect(await openStore({ client: { sendCommand, isOpen: true } }).check("n")).toMatch(
        /^replay_store_unavailable: /,
      );
    }
  });
});

describe("a password", () => {
  it("is in no error and no line of the log, whichever way it fails", async () => {
    const guarded = await RedisServer.start(onTestFinished, "--requirepass", "right-horse");
    const { port } = guarded;
    for (const url of [`redis://:wrong-horse@127.0.0.1:${port}`, "redis://:wrong-horse@127.0.0.1:1"]) {
      for (const [name, options] of Object.entries(libraries)) {
        if (name === "a client of redis") continue; // connect() fails, and that is the application's to see
        const { check, log } = openStore(await options(url));
        const said = [await check("n"), ...log].join("\n");
        expect(said).toContain("replay_store_unavailable");
        expect(said).not.toContain("wrong-horse");
      }
    }
    expect(await openStore(`redis://:right-horse@127.0.0.1:${port}`).check("n")).toBe("fresh");
  });

  it("is in no TypeError", () => {
    for (const url of ["http://u:horse@h", "redis//u:horse@h", "horse"]) {
      const open = () => new RedisNonceStore(url);
      expect(open).toThrow(TypeError);
      expect(open).not.toThrow(/horse/);
    }
  });
});

describe("the constructor", () => {
  it("takes the URL from REDIS_URL when there is none, and says so when there is none there", async () => {
    vi.stubEnv("REDIS_URL", server.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await openStore({}).check("from the variable")).toBe("fresh");
    const bare = new RedisNonceStore();
    expect(await bare.checkAndRecord("from the variable", 71)).toBe(false);
    await bare.close();
    vi.stubEnv("REDIS_URL", undefined);
    expect(() => new RedisNonceStore()).toThrow(/REDIS_URL/);
  });

  it.each([
    [{ redisUrl: "redis://h", onOutage: "accept" }, /onOutage must be "deny" or "local"/],
    [{ redisUrl: "redis://h", timeout: 5 }, /timeout is not an option/],
    [{ redisUrl: "redis://h", toString: 5 }, /toString is not an option/],
    [{ redisUrl: "redis://h", timeoutMs: 0 }, /timeoutMs must be/],
    [{ redisUrl: "redis://h", prefix: "{a}" }, /prefix must be/],
    [{ redisUrl: "redis://h", prefix: "" }, /prefix must be/],
    [{ client: "redis://h" }, /client must be/],
    [{ redisUrl: "redis://h", client: {} as RedisClient }, /either redisUrl or client/],
  ])("refuses %j", (options, message) => {
    expect(() => new RedisNonceStore(options as object)).toThrow(TypeError);
    expect(() => new RedisNonceStore(options as object)).toThrow(message);
  });

  it("closes a client of its own, and leaves the application's open", async () => {
    const client = new Redis(server.url);
    const listeners = () => client.listenerCount("ready");
    const before = listeners();
    const store = new RedisNonceStore({ client });
    expect(await store.checkAndRecord("left open", 71)).toBe(true);
    expect(listeners()).toBe(before + 1);
    await store.close();
    expect(listeners()).toBe(before);
    expect(await client.ping()).toBe("PONG");
    client.disconnect();
    const alone = await RedisServer.start(onTestFinished);
    const watcher = new Redis(alone.url);
    const connections = async () => ((await watcher.client("LIST")) as string).trim().split("\n").length;
    const own = new RedisNonceStore(alone.url);
    await own.checkAndRecord("closed", 71);
    expect(await connections()).toBe(2);
    await own.close();
    await expect.poll(connections).toBe(1);
    watcher.disconnect();
  });
});

it("a marker is not settled by a script that comes seconds late, and there is none of it then", async () => {
  const info = await admin.info("server");
  const run = /run_id:(\w+)/.exec(info)?.[1] ?? "";
  const uptime = async () => Number(/uptime_in_seconds:(\d+)/.exec(await admin.info("server"))?.[1] ?? 0);
  await expect.poll(uptime, { timeout: 5000 }).toBeGreaterThan(2);
  const settle = (moment: string) =>
    admin.eval(establishScript, 1, "late:{A}", "", "0", "1800000000", "id", "new", moment);
  await expect(settle(`${run} 0`)).rejects.toThrow(/^LATE/);
  await expect(settle(`${"0".repeat(40)} ${await uptime()}`)).rejects.toThrow(/^LATE/);
  await expect(settle("")).rejects.toThrow();
  expect(await admin.exists("late:{A}")).toBe(0);
  expect(await settle(`${run} ${await uptime()}`)).toMatch(/^id \w+ new 1800000000\n/);
});

it("counts each check by what became of it", async () => {
  const { check, events } = openStore(server.url);
  await check("counted");
  await check("counted");
  expect(events).toMatchObject([
    { type: "check", outcome: "fresh" },
    { type: "check", outcome: "seen" },
  ]);
  for (const event of events) if (event.type === "check") expect(event.milliseconds).toBeGreaterThan(0);
});
