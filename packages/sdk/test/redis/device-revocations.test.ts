import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDeviceRevocation, type DeviceRevocationOptions } from "@authmesh/core";
import { createIdentity } from "@authmesh/keystore";
import type { ClientIdentity } from "@authmesh/sdk";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { watchRedis } from "../../../../test/fixtures/redis-monitor.js";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import type { FleetMemory } from "../../src/device-revocations.js";
import { verify } from "../../src/index.js";
import { LocalTrust } from "../../src/local-trust.js";
import {
  announceRevocation,
  openRedis,
  RedisRevocations,
  type RedisRevocationsOptions,
  redisCommands,
} from "../../src/redis/index.js";
import { MemoryTrust, makeIdentity, silent } from "../fixtures/pair.js";

const manager = makeIdentity();
const laptop = makeIdentity();
const lost = laptop.publicKey.deviceId;

let shared: RedisServer;
beforeAll(async () => {
  const stops: (() => Promise<void>)[] = [];
  shared = await RedisServer.start((stop) => stops.push(stop));
  return async () => {
    for (const stop of stops) await stop();
  };
});

const fleetTrust = () =>
  new MemoryTrust().trust(manager, { scopes: { __manage: "rw" } }).trust(laptop, { friendlyName: "laptop" });

let prefixes = 0;
const scene = (server = shared, prefix = `ar${prefixes++}:`) => {
  const redis = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: 0 });
  redis.on("error", () => {});
  onTestFinished(async () => redis.disconnect());
  const clock = { seconds: 1_800_000_000 };
  const append = (statement: string) => redis.xadd(`${prefix}devices`, "*", "s", statement);
  /** A statement in the stream, numbered by hand. */
  const say = async (
    said: Partial<DeviceRevocationOptions> = {},
    by: ClientIdentity = manager,
  ): Promise<string> => {
    const statement = await createDeviceRevocation(by, { action: "revoke", device: lost, seq: 1, ...said });
    await append(statement);
    return statement;
  };
  const announce = (action: "revoke" | "unrevoke", device = lost, by = manager) =>
    announceRevocation(redisCommands(redis), by, { action, device, prefix });
  /** What one verifier of the fleet makes of it. */
  const join = async (
    trust = fleetTrust(),
    options: RedisRevocationsOptions = {},
    revokers: readonly string[] = [],
    memory?: FleetMemory,
  ) => {
    const log: string[] = [];
    const where = options.client === undefined ? { redisUrl: server.url } : {};
    const revocations = new RedisRevocations({ ...where, prefix, pollMs: 10, random: () => 0, ...options });
    onTestFinished(() => revocations.close());
    const logger = { ...silent, warn: (message: string) => void log.push(message) };
    const member = revocations.over({
      trust,
      ready: async () => {},
      revokers: () => revokers,
      memory: () => memory,
      logger,
    });
    await member.ready();
    return { member, trust, log, revocations };
  };
  return { redis, prefix, clock, append, say, announce, join, key: `${prefix}devices` };
};

/** Waits until whatever stands in the stream now has been heard: a stranger's revocation is not, a last one of the manager is. */
const marker = makeIdentity().publicKey.deviceId;
const heard = async ({ say }: ReturnType<typeof scene>, member: { isRevoked(id: string): boolean }) => {
  await say({ device: marker });
  await expect.poll(() => member.isRevoked(marker), { interval: 5 }).toBe(true);
};

describe("a fleet without an authority", () => {
  it("revokes a device at every verifier within a second, and takes it back", async () => {
    const { announce, join } = scene();
    const members = await Promise.all(
      [1, 2, 3].map(() => join(undefined, { pollMs: 500 }).then(({ member }) => member)),
    );
    const changes = members.map((member) => new Promise<void>((resolve) => member.onChange(resolve)));
    const started = performance.now();
    await announce("revoke");
    await Promise.all(changes);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(members.map((member) => member.isRevoked(lost))).toEqual([true, true, true]);
    await announce("unrevoke");
    for (const member of members)
      await expect.poll(() => member.isRevoked(lost), { interval: 5 }).toBe(false);
  });

  it("tells who starts later of what was revoked before", async () => {
    const { announce, join } = scene();
    await announce("revoke");
    expect((await join()).member.isRevoked(lost)).toBe(true);
  });

  it.each([
    ["ioredis", async (url: string) => new Redis(url)],
    ["redis", async (url: string) => createClient({ url }).connect()],
  ])("is followed over a client of %s that the application has", async (_, open) => {
    const { announce, join } = scene();
    const client = await open(shared.url);
    onTestFinished(async () => {
      if ("disconnect" in client && client instanceof Redis) client.disconnect();
      else (client as { destroy(): void }).destroy();
    });
    const { member } = await join(undefined, { client });
    await announce("revoke");
    await expect.poll(() => member.isRevoked(lost), { interval: 5 }).toBe(true);
  });

  it("numbers statements above all earlier ones, and not below the time", async () => {
    const { announce, join, say, redis, key } = scene();
    const before = Date.now();
    await announce("revoke");
    await say({ seq: Date.now() + 3_600_000 });
    await announce("unrevoke");
    const { member } = await join();
    expect(member.isRevoked(lost)).toBe(false);
    const [[, [, first = ""]] = ["", []]] = await redis.xrange(key, "-", "+");
    const { seq } = JSON.parse(Buffer.from(first.split(".")[1] ?? "", "base64url").toString());
    expect(seq).toBeGreaterThanOrEqual(before);
  });
});

it("warns once of an entry that leaves no room for others", async () => {
  const { join, redis, key } = scene();
  await redis.xadd(key, "18446744073709551615-18446744073709551615", "s", "");
  const { log } = await join();
  const warnings = () => log.filter((line) => line.includes("far in the future"));
  await expect.poll(() => warnings().length, { interval: 5 }).toBe(1);
});

describe("who is believed", () => {
  it.each<[string, (trust: MemoryTrust, by: ClientIdentity) => unknown]>([
    ["a stranger", () => {}],
    ["a device of the list without the grant", (trust, by) => trust.trust(by, { scopes: { "*": "rw" } })],
    ["one that may only read", (trust, by) => trust.trust(by, { scopes: { __manage: "r" } })],
    [
      "one that is called, and does not call",
      (trust, by) => trust.trust(by, { role: "target", scopes: { __manage: "rw" } }),
    ],
    ["one whose entry expired", (trust, by) => trust.trust(by, { scopes: { __manage: "rw" }, expiresAt: 1 })],
    [
      "one that is revoked in the list",
      (trust, by) => {
        trust.trust(by, { scopes: { __manage: "rw" } });
        trust.revoked.add(by.publicKey.deviceId);
      },
    ],
  ])("is not %s: that is ignored, and the log says so", async (_, prepare) => {
    const the = scene();
    const other = makeIdentity();
    const trust = fleetTrust();
    prepare(trust, other);
    const { member, log } = await the.join(trust);
    await the.say({}, other);
    await heard(the, member);
    expect(member.isRevoked(lost)).toBe(false);
    expect(log).toEqual([
      `a statement about whom the fleet revokes is ignored: its signer ${other.publicKey.deviceId} may not revoke here`,
    ]);
  });

  it("is one whom the option names", async () => {
    const { say, join } = scene();
    const other = makeIdentity();
    await say({}, other);
    expect((await join(undefined, {}, [other.publicKey.deviceId])).member.isRevoked(lost)).toBe(true);
  });

  it("is one who gets the grant later, with what was said before", async () => {
    const { say, join } = scene();
    const other = makeIdentity();
    await say({}, other);
    const { member, trust } = await join();
    expect(member.isRevoked(lost)).toBe(false);
    trust.trust(other, { scopes: { __manage: "rw" } });
    trust.changed();
    await expect.poll(() => member.isRevoked(lost), { interval: 5 }).toBe(true);
  });

  it.each([
    ["a manager alone", manager, 0],
    ["a stranger, too", makeIdentity(), 10],
  ])("is found out anew at a change of the list only where it may matter: %s spoke", async (_, by, anew) => {
    const the = scene();
    const { member, trust } = await the.join();
    await the.say({ seq: 2 }, by);
    await heard(the, member);
    const seen = await watchRedis(shared.port, onTestFinished);
    const reads = () => seen.filter(({ command }) => command[3] === the.key && command[0] === "EVAL");
    for (let changes = 0; changes < 10; changes++) {
      const before = reads().length;
      trust.changed();
      await expect.poll(() => reads().length, { interval: 2 }).toBeGreaterThan(before + 2);
    }
    expect(reads().filter(({ command }) => command[4] === "")).toHaveLength(anew);
  });

  it("is nobody any more whom the fleet revoked; what was believed before stays", async () => {
    const the = scene();
    const other = makeIdentity();
    const trust = fleetTrust().trust(other, { scopes: { __manage: "rw" } });
    const { member, log } = await the.join(trust);
    await the.say({}, other);
    await the.say({ device: other.publicKey.deviceId });
    await the.say({ seq: 2, action: "unrevoke" }, other);
    await the.say({ seq: 2, action: "unrevoke", device: other.publicKey.deviceId }, other);
    await heard(the, member);
    expect([lost, other.publicKey.deviceId].map((id) => member.isRevoked(id))).toEqual([true, true]);
    expect(log.join()).toContain("is revoked");
  });

  it("is nobody who takes back its own revocation by itself, whatever the order", async () => {
    const the = scene();
    const { member } = await the.join();
    const device = manager.publicKey.deviceId;
    await the.say({ seq: 2, action: "unrevoke", device });
    await the.say({ seq: 1, device });
    await expect.poll(() => member.isRevoked(device), { interval: 5 }).toBe(true);
  });

  it("is nobody in whose name another key signs", async () => {
    const the = scene();
    const { member, log } = await the.join();
    await the.say({}, { publicKey: manager.publicKey, sign: makeIdentity().sign });
    await heard(the, member);
    expect(member.isRevoked(lost)).toBe(false);
    expect(log.join()).toContain("it is not signed by");
  });
});

describe("statements", () => {
  it("count by their numbers, in whatever order and however often they come", async () => {
    const the = scene();
    const { member } = await the.join();
    const first = await the.say({ seq: 1 });
    await the.say({ seq: 3, action: "unrevoke" });
    await the.say({ seq: 2 });
    await the.append(first);
    await heard(the, member);
    expect(member.isRevoked(lost)).toBe(false);
    expect((await the.join()).member.isRevoked(lost)).toBe(false);
  });

  it("of one signer take nothing back that another one said", async () => {
    const the = scene();
    const other = makeIdentity();
    const { member } = await the.join(fleetTrust().trust(other, { scopes: { "*": "r", __manage: "rw" } }));
    await the.say({ seq: 1 });
    await the.say({ seq: 9, action: "unrevoke" }, other);
    await heard(the, member);
    expect(member.isRevoked(lost)).toBe(true);
  });

  it("are found in a flood of garbage, with bounded work, and the log stays short", async () => {
    const { redis, key, announce, join } = scene();
    const stranger = makeIdentity();
    const foreign = await createDeviceRevocation(stranger, { action: "revoke", device: lost, seq: 1 });
    const rubbish = ["", "a.b.c", "x".repeat(1_000_000), foreign, `${foreign}A`, "\u0000\u{1f600}"];
    const pipeline = redis.pipeline();
    for (let i = 0; i < 20_000; i++) {
      const value = rubbish[i % 1000 === 2 ? 2 : ([0, 1, 3, 4, 5][i % 5] ?? 0)] as string;
      pipeline.xadd(key, "*", i % 7 === 0 ? "other" : "s", value);
    }
    pipeline.xadd(key, "*", "s", foreign, "t", foreign);
    await pipeline.exec();
    await announce("revoke");
    const started = performance.now();
    const { member, log } = await join();
    expect(member.isRevoked(lost)).toBe(true);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(log.length).toBeLessThan(10);
  });

  it("stand in a stream that is cut at its length", async () => {
    const { key, announce } = scene();
    const seen = await watchRedis(shared.port, onTestFinished);
    await announce("revoke");
    await expect
      .poll(() => seen.find(({ command }) => command[0]?.toLowerCase() === "xadd")?.command.slice(0, 7))
      .toEqual(["XADD", key, "MAXLEN", "~", "100000", "*", "s"]);
  });
});

describe("a Redis that", () => {
  it("is away leaves what is known in force, and is followed again when it is back", async () => {
    const server = await RedisServer.start(onTestFinished);
    const { announce, join } = scene(server);
    await announce("revoke");
    const { member, log, revocations } = await join();
    await server.kill();
    await expect
      .poll(() => log.join(), { interval: 5 })
      .toMatch(/cannot be read: .*holds for another 3\d{3} s/);
    expect([member.check(), member.isRevoked(lost)]).toEqual([undefined, true]);
    expect(revocations.staleSeconds).toBeLessThan(30);
    await server.start();
    await expect.poll(() => log.join(), { interval: 5, timeout: 5000 }).toContain("can be read again");
  });

  it("was restarted empty is told again what was revoked, for those who start later", async () => {
    const server = await RedisServer.start(onTestFinished);
    const { announce, join, redis, key } = scene(server);
    const others = makeIdentity().publicKey.deviceId;
    await announce("revoke");
    await announce("revoke", others);
    const waiting = { random: () => 0.02 }; // 60 ms, in which an empty stream is read several times
    const members = [await join(undefined, waiting), await join(undefined, waiting)];
    await server.kill();
    await server.start();
    await expect
      .poll(() => redis.xlen(key).catch(() => 0), { interval: 5, timeout: 5000 })
      .toBeGreaterThan(1);
    const { member } = await join();
    await expect.poll(() => [lost, others].every((id) => member.isRevoked(id)), { interval: 5 }).toBe(true);
    await announce("unrevoke");
    for (const each of [...members, { member }])
      await expect.poll(() => each.member.isRevoked(lost), { interval: 5 }).toBe(false);
    expect(await redis.xlen(key)).toBeLessThanOrEqual(5);
  });

  it.each<[string, (redis: Redis, key: string) => Promise<unknown>]>([
    ["was emptied", (redis) => redis.flushall()],
    ["lost its newest entries", (redis, key) => redis.xtrim(key, "MAXLEN", 0)],
  ])("%s, and then was written again, is read from its beginning", async (_, happen) => {
    const the = scene();
    const { member } = await the.join();
    await heard(the, member);
    await happen(the.redis, the.key);
    await the.redis.xadd(the.key, "1-1", "s", "x").catch(() => {}); // an emptied stream takes any id
    await the.announce("revoke");
    await expect.poll(() => member.isRevoked(lost), { interval: 5 }).toBe(true);
  });

  it("was never read lets nobody in, and neither does one that is away for too long", async () => {
    const server = await RedisServer.start(onTestFinished);
    const clock = { now: 1_800_000_000_000, monotonic: 0 };
    const clocks = { now: () => clock.now, monotonic: () => clock.monotonic };
    const { join } = scene(server);
    const { member } = await join(undefined, { maxStaleSeconds: 60, ...clocks });
    expect(member.check()).toBeUndefined();
    await server.kill();
    clock.monotonic += 61_000;
    await expect.poll(() => member.check()?.code, { interval: 5 }).toBe("trust_stale");
    expect(member.check()).toMatchObject({ status: 503 });
    const late = await join();
    expect(late.member.check()).toMatchObject({
      code: "trust_stale",
      detail: expect.stringContaining("never"),
    });
    await server.start();
    await expect.poll(() => late.member.check(), { interval: 5, timeout: 5000 }).toBeUndefined();
    await expect.poll(() => member.check(), { interval: 5, timeout: 5000 }).toBeUndefined();
  });

  it.each([
    [
      "an entry of the highest id",
      (redis: Redis, key: string) => redis.xadd(key, "18446744073709551615-18446744073709551615", "s", ""),
      "last possible ID",
    ],
    ["something else than a stream", (redis: Redis, key: string) => redis.set(key, "x"), "WRONGTYPE"],
  ])("says what Redis says where %s spoils the stream, and what heals that", async (_, spoil, words) => {
    const { announce, redis, prefix } = scene();
    await spoil(redis, `${prefix}devices`);
    await expect(announce("revoke")).rejects.toMatchObject({
      code: "revocation_unavailable",
      message: expect.stringContaining(words),
      fix: expect.stringContaining(`DEL ${prefix}devices`),
    });
    await redis.del(`${prefix}devices`);
    await announce("revoke");
  });

  it("cannot be asked is no place to announce to, and its password is not told", async () => {
    const commands = await openRedis("redis://:geheim@127.0.0.1:1", 10);
    onTestFinished(() => commands.close());
    const announced = announceRevocation(commands, manager, { action: "revoke", device: lost });
    await expect(announced).rejects.toMatchObject({ code: "revocation_unavailable" });
    await expect(announced).rejects.not.toThrow(/geheim/);
  });
});

describe("a machine", () => {
  const folderOf = async () => {
    const dir = mkdtempSync(join(tmpdir(), "amesh-fleet-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const argon2 = { memoryKiB: 19_456, passes: 1, lanes: 1 };
    await createIdentity({ dir, friendlyName: "server", backend: "encrypted-file", argon2, env: {} });
    const trust = new LocalTrust(dir, silent);
    await trust.ready();
    return { dir, memory: trust.fleetMemory };
  };

  it("knows after a restart what a Redis forgot that nobody else remembers, and puts it back", async () => {
    const { announce, join, redis, key } = scene();
    const { memory, dir } = await folderOf();
    await announce("revoke");
    const before = await join(undefined, {}, [], memory);
    await expect.poll(() => memory?.recall().length, { interval: 5 }).toBe(1);
    await before.revocations.close();
    await redis.del(key);
    // Even if its signer is not believed any more.
    const { member } = await join(new MemoryTrust(), {}, [], memory);
    expect(member.isRevoked(lost)).toBe(true);
    await expect.poll(() => redis.xlen(key), { interval: 5 }).toBe(1);
    expect(statSync(`${dir}/fleet.jws`).mode & 0o777).toBe(0o600);
  });

  it.each<[string, (good: string) => string | Uint8Array]>([
    ["is empty", () => ""],
    ["is no text", () => Uint8Array.of(255, 10, 255)],
    ["has another signature", (good) => `${good.slice(0, -6)}AAAAAA\n`],
    ["is garbage", () => "x\n".repeat(1000)],
  ])("believes nothing of a file that %s", async (_, content) => {
    const the = scene();
    const { memory, dir } = await folderOf();
    const good = await createDeviceRevocation(manager, { action: "revoke", device: lost, seq: 1 });
    writeFileSync(`${dir}/fleet.jws`, content(good));
    const { member } = await the.join(undefined, {}, [], memory);
    expect(member.isRevoked(lost)).toBe(false);
    await heard(the, member);
  });

  it("that cannot keep anything says so, and goes on", async () => {
    const { announce, join } = scene();
    const { memory, dir } = await folderOf();
    mkdirSync(`${dir}/fleet.jws`);
    await announce("revoke");
    const { member, log } = await join(undefined, {}, [], memory);
    expect(member.isRevoked(lost)).toBe(true);
    await expect.poll(() => log.join(), { interval: 5 }).toContain("until this process ends");
  });
});

describe("options", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "a misspelt one",
      () => new RedisRevocations({ redisUrl: shared.url, maxStale: 1 } as never),
      /maxStale is not an option/,
    ],
    ["no Redis", () => new RedisRevocations({}), /Name the Redis: new RedisRevocations/],
    [
      "a URL of something else",
      () => new RedisRevocations("http://geheim@x"),
      /^(?!.*geheim).*redisUrl must/,
    ],
    ["revokers without revocations", () => verify({ allowList: fleetTrust(), revokers: [lost] }), /revokers/],
    [
      "a revoker that is no device",
      () =>
        verify({ allowList: fleetTrust(), revokers: ["x"], revocations: new RedisRevocations(shared.url) }),
      /revokers: x/,
    ],
  ])("that make no sense are refused: %s", (_, make, words) => expect(make).toThrow(words));
});
