import { RedisRevocationList } from "@authmesh/oath";
import { openRedis } from "@authmesh/sdk/redis";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import type { AuthorityOptions } from "../src/authority-options.js";
import { raiseGeneration } from "../src/database/generation-rows.js";
import { type DatabasePlace, openDatabase } from "../src/database/open-database.js";
import { receiver } from "./receiver.js";
import { type Device, RunningAuthority, secret, silent } from "./running-authority.js";
import { postgres } from "./stores.js";

const env = { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };
const server = postgres();
const json = { "Content-Type": "application/json" };
const subject = "svc://billing/worker";
const soon = { timeout: 1000, interval: 20 };
const later = { timeout: 8000, interval: 20 };

/** An authority's clock, to be put forward. */
const clockwork = () => {
  const clock = { ahead: 0, now: () => Date.now() + clock.ahead };
  return clock;
};

const start = (redisUrl: string, options: Partial<AuthorityOptions> = {}) =>
  RunningAuthority.start({
    ...options,
    env: { ...env, ...options.env, AMESH_AUTHORITY_REDIS_URL: redisUrl },
  });

async function listIn(redis: RedisServer, issuer: string, prefix = "ar:"): Promise<RedisRevocationList> {
  const commands = await openRedis(redis.url, 1000);
  onTestFinished(() => commands.close());
  return new RedisRevocationList(commands, { issuer, prefix, pauseMs: 20 });
}

const revoke = async (device: Device, url: string, value = subject) => {
  const body = JSON.stringify({ by: "sub", value, reason: "test" });
  const answer = await device.fetch(`${url}/v1/revocations`, { method: "POST", headers: json, body });
  expect(answer.status).toBe(201);
};

const takeBack = async (device: Device, url: string, value = subject) => {
  const query = new URLSearchParams({ by: "sub", value });
  const answer = await device.fetch(`${url}/v1/revocations?${query}`, { method: "DELETE" });
  expect(answer.status).toBe(200);
};

const mint = async (device: Device, url: string, sub = subject): Promise<string> => {
  const answer = await device.mint(url, { aud: "api.example.com", act: "orders.write", sub });
  return (await answer.json()).token;
};

/** Revocations of `svc://many/…`, written at once: one by one they would take half a minute. */
async function writeMany(place: DatabasePlace, count: number): Promise<void> {
  const database = await openDatabase(place);
  await database.transaction().execute(async (work) => {
    const rows = [];
    for (let i = 0; i < count; i++)
      rows.push({
        ...{
          by: "sub",
          value: `svc://many/${i}`,
          reason: "",
          actor: "",
          at: 1,
          expires_at: null,
          removed: 0,
        },
        generation: await raiseGeneration(work, "revocations"),
      });
    await work.insertInto("revocations").values(rows).execute();
  });
  await database.destroy();
}

/** What a list says of a subject. */
const verdict = async (list: RedisRevocationList, iss: string, sub = subject): Promise<string> => {
  try {
    const found = await list.find({ iss, sub, jti: "1", kid: "k" });
    return found === undefined ? "not revoked" : "revoked";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const behindSince = async (url: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^amesh_authority_revocation_feed_behind_since_seconds (\d+)$/m.exec(text)?.[1]);
};

describe("an authority that keeps its revocation list in Redis, too", () => {
  it("has receivers refuse a subject within a second, and take it again as soon", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const running = await start(redis.url, { redisPrefix: "billing:" });
    const { url } = running;
    const [operator, worker] = [await running.device({ revocations: "rw" }), await running.device()];
    const ask = await receiver(url, await listIn(redis, url, "billing:"));
    const [token, other] = [await mint(worker, url), await mint(worker, url, "svc://other")];
    await expect.poll(() => ask(token), later).toBe("ok");
    await revoke(operator, url);
    await expect.poll(() => ask(token), soon).toBe("revoked");
    expect(await ask(other)).toBe("ok");
    await takeBack(operator, url);
    await expect.poll(() => ask(token), soon).toBe("ok");
    expect(await verdict(await listIn(redis, url, "other:"), url)).toBe("revocation_unavailable");
  });

  it.each<[string, number, (redis: RedisServer, control: Redis) => Promise<unknown>]>([
    ["was emptied, when it is time to confirm", 10_000, (_, control) => control.flushall()],
    ["was restarted empty, at once", 0, (redis) => redis.kill().then(() => redis.start())],
  ])("lets no receiver take what is revoked after the Redis %s, and fills it", async (_, ahead, happen) => {
    const redis = await RedisServer.start(onTestFinished);
    const control = new Redis(redis.url, { maxRetriesPerRequest: 0 }).on("error", () => {});
    onTestFinished(() => control.disconnect());
    const clock = clockwork();
    const running = await start(redis.url, { now: clock.now });
    await revoke(await running.device({ revocations: "rw" }), running.url);
    const list = await listIn(redis, running.url);
    await expect.poll(() => verdict(list, running.url), later).toBe("revoked");
    await happen(redis, control);
    clock.ahead = ahead;
    const answers: string[] = [];
    await vi.waitUntil(async () => {
      answers.push(await verdict(list, running.url));
      return answers.length > 1 && answers.at(-1) === "revoked";
    }, later);
    expect(answers).toContain("revocation_unavailable");
    expect(answers).not.toContain("not revoked");
  });

  it("goes on while the Redis is away, says so once, and tells since when", async () => {
    const redis = await RedisServer.start(onTestFinished);
    await redis.kill();
    const errors: string[] = [];
    const logger = { ...silent, error: (message: string) => void errors.push(message) };
    const before = Math.floor(Date.now() / 1000);
    const running = await start(redis.url, { logger });
    const { url } = running;
    const operator = await running.device({ revocations: "rw" });
    await vi.waitUntil(() => errors.length > 0, later);
    expect(await mint(operator, url)).toBeDefined();
    await revoke(operator, url);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    expect(await behindSince(url)).toBeGreaterThanOrEqual(before);

    await redis.start();
    const list = await listIn(redis, url);
    await expect.poll(() => verdict(list, url), later).toBe("revoked");
    await expect.poll(() => behindSince(url), later).toBe(0);

    redis.pause();
    await revoke(operator, url, "svc://meanwhile");
    await expect.poll(() => behindSince(url), later).toBeGreaterThanOrEqual(before);
    redis.resume();
    await expect.poll(() => verdict(list, url, "svc://meanwhile"), later).toBe("revoked");
    await expect.poll(() => behindSince(url), later).toBe(0);
    expect(errors).toHaveLength(2);
    for (const each of errors) expect(each).toMatch(/^the revocation list in Redis cannot be brought up/);
  });

  it("does not start with a URL that is none, and does not show it", async () => {
    const failing = start("http://:hunter2@localhost");
    await expect(failing).rejects.toMatchObject({ code: "invalid_option" });
    await expect(failing).rejects.not.toThrow(/hunter2/);
    await expect(start("redis://localhost", { redisPrefix: "a b" })).rejects.toThrow(TypeError);
  });

  it("tells nothing of Redis where there is none", async () => {
    const { url } = await RunningAuthority.start();
    expect(await behindSince(url)).toBeNaN();
  });
});

describe("two replicas that keep one list in Redis", () => {
  it("fill it at once after a loss, bring in what the other one could not, and follow each other's changes", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const control = new Redis(redis.url);
    onTestFinished(() => control.disconnect());
    const place = await server.place();
    const clock = clockwork();
    const issuer = "http://localhost:4000";
    const shared = { issuer, audience: ["localhost"], now: clock.now };
    const replica = (redisUrl: string) => start(redisUrl, { ...shared, env: { DATABASE_URL: place.url } });
    const [one, other] = await Promise.all([replica(redis.url), replica(redis.url)]);
    const list = await listIn(redis, issuer);
    const { store } = one.authority.state;
    const entry = (value: string) => ({ by: "sub", value, reason: "", actor: "", at: 1 }) as const;
    await writeMany(place, 1001);
    await expect.poll(() => verdict(list, issuer, "svc://many/1000"), later).toBe("revoked");

    // Each made at one, whose Redis part is as good as any; the last change counts.
    await other.authority.state.store.addRevocation(entry(subject));
    await expect.poll(() => verdict(list, issuer), soon).toBe("revoked");
    await store.removeRevocation({ ...entry(subject), at: 2 });
    await expect.poll(() => verdict(list, issuer), soon).toBe("not revoked");

    // The removal is so old that nobody is told of it any more.
    await store.forgetRevocations(Math.floor(clock.now() / 1000));
    await control.flushall();
    expect(await verdict(list, issuer, "svc://many/0")).toBe("revocation_unavailable");
    clock.ahead += 10_000;
    await expect.poll(() => verdict(list, issuer, "svc://many/0"), later).toBe("revoked");
    for (const { url } of [one, other]) await expect.poll(() => behindSince(url), later).toBe(0);

    // What a replica without a Redis revoked, one with it brings there, also when it is the only one left.
    await one.authority.close();
    const blind = await RunningAuthority.start({ ...shared, env: { ...env, DATABASE_URL: place.url } });
    await blind.authority.state.store.addRevocation(entry("svc://last"));
    await expect.poll(() => verdict(list, issuer, "svc://last"), soon).toBe("revoked");
    expect(await verdict(list, issuer)).toBe("not revoked");
  });
});
