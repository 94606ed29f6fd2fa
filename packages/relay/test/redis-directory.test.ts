import { createHash } from "node:crypto";
import { toBase64Url } from "@authmesh/core";
import { Redis } from "ioredis";
import { pino } from "pino";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import type { DirectoryEvents } from "../src/directory.js";
import { completeLimits } from "../src/limits.js";
import type { Peer } from "../src/peer.js";
import { openConnections } from "../src/redis/open-connections.js";
import { RedisDirectory } from "../src/redis/redis-directory.js";
import { RedisLink } from "../src/redis/redis-link.js";
import { releaseScript } from "../src/redis/scripts.js";
import type { Session } from "../src/session-registry.js";

const prefix = "{amesh-relay}:";

/** A directory of its own Redis, and what it logs. */
async function openDirectory(events: Partial<DirectoryEvents> = {}) {
  const redis = await RedisServer.start(onTestFinished);
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const log: string[] = [];
  const directory = new RedisDirectory({
    url: redis.url,
    prefix,
    limits: completeLimits({}),
    logger: pino({}, { write: (line: string) => void log.push(line) }),
    now: () => 0,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  });
  await directory.open({
    joined: () => true,
    said: () => undefined,
    left: () => undefined,
    superseded: () => undefined,
    ...events,
  });
  onTestFinished(() => directory.close());
  return { redis, client, directory, log };
}

/** A side of a session that says nothing. */
const silent: Peer = {
  session: undefined,
  network: undefined,
  bytesWaiting: 0,
  meet() {},
  send() {},
  close() {},
  drop() {},
};
const sessionOf = (code: string): Session<Peer> => ({
  code,
  listener: silent,
  connector: undefined,
  latecomers: 0,
});

const claimed = (directory: RedisDirectory, code: string) =>
  new Promise((settle) => directory.claim(sessionOf(code), "127.0.0.1", settle));

/** An instance of the test's own: what it heard, and what it says. */
async function playInstance(client: Redis) {
  const id = toBase64Url(new Uint8Array(16).fill(1));
  const heard: string[] = [];
  const subscriber = client.duplicate();
  onTestFinished(() => subscriber.disconnect());
  subscriber.on("message", (_channel, text) => heard.push(text));
  await subscriber.subscribe(`${prefix}to:${id}`);
  await client.set(`${prefix}instance:${id}`, 1);
  return { id, heard };
}

const talk = toBase64Url(new Uint8Array(16).fill(2));

describe("a code that another instance's device answered", () => {
  test.each([
    ["has left", "otc_not_found", false],
    ["was answered here meanwhile", "peer_already_connected", true],
  ])("while its own device %s: the other is told %s", async (_, reason, waits) => {
    const { client, directory } = await openDirectory({ joined: () => false });
    await claimed(directory, "482916");
    const [at = "", session = ""] = await client.hmget(`${prefix}code:482916`, "at", "session");
    const { id, heard } = await playInstance(client);
    await client.publish(`${prefix}to:${at}`, `${waits ? session : talk} 0 joined ${id},${talk}`);
    await expect.poll(() => heard).toEqual([`${talk} 0 refused ${reason}`]);
    expect(directory.across).toBe(0);
  });

  test.each(["otc_not_found", "peer_already_connected"])("%s: it is told so, at once", async (reason) => {
    const { client, directory } = await openDirectory();
    const { id, heard } = await playInstance(client);
    await client.hset(`${prefix}code:482916`, { at: id, session: talk });
    const found = new Promise((settle) => directory.find("482916", "127.0.0.1", settle));
    await expect.poll(() => heard).toHaveLength(1);
    const [, at, asked] = /^.{22} 0 joined (.{22}),(.{22})$/.exec(heard[0] ?? "") ?? [];
    await client.publish(`${prefix}to:${at}`, `${asked} 0 refused ${reason}`);
    expect(await found).toBe(reason);
  });
});

describe("a code that is given back before Redis carried its claim out", () => {
  test("is free", async () => {
    const { client, directory } = await openDirectory();
    // What gives it back is known to Redis, and what claims it is not: that goes twice, and arrives last.
    await client.script("LOAD", releaseScript.source);
    const session = sessionOf("482916");
    const settled = new Promise((settle) => directory.claim(session, "127.0.0.1", settle));
    directory.release(session);
    await settled;
    await expect.poll(() => client.exists(`${prefix}code:482916`)).toBe(0);
  });
});

describe("a message of another instance that fails", () => {
  test("ends its session and nothing else, and is logged without what it held", async () => {
    const left = vi.fn();
    const said = (): never => {
      throw new RangeError("AAAA");
    };
    const { client, directory, log } = await openDirectory({ said, left });
    await claimed(directory, "482916");
    const [at = "", session = ""] = await client.hmget(`${prefix}code:482916`, "at", "session");
    const { id, heard } = await playInstance(client);
    for (const text of [`${session} 0 joined ${id},${talk}`, `${talk} 1 data AAAA`])
      await client.publish(`${prefix}to:${at}`, text);
    await expect.poll(() => heard).toEqual([`${talk} 0 accepted ${at}`, `${talk} 1 ended peer_left`]);
    expect(left).toHaveBeenCalledOnce();
    expect(directory).toMatchObject({ state: "up", across: 0 });
    expect(log.filter((line) => line.includes("failed"))).toEqual([expect.stringContaining("RangeError")]);
    expect(log.join()).not.toContain("AAAA");
  });
});

/** Keeps the event loop from turning. */
function stall(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

describe("a Redis whose answer is there", () => {
  test("is not taken for gone by an instance that was too busy to read it", async () => {
    const { directory, log } = await openDirectory();
    const found = new Promise((settle) => directory.find("482916", "127.0.0.1", settle));
    stall(1_300);
    expect(await found).toBe("otc_not_found");
    expect(directory.state).toBe("up");
    expect(log.filter((line) => line.includes("gone"))).toEqual([]);
  });
});

/** A way to a Redis of its own. */
async function openLink(down: (reason: string) => void = () => undefined) {
  const redis = await RedisServer.start(onTestFinished);
  const connections = await openConnections(redis.url);
  const link = await new Promise<RedisLink>((resolve) => {
    const made = new RedisLink(connections, () => "to:test", {
      probe: async () => undefined,
      up: () => resolve(made),
      down,
      forgot: () => undefined,
      heard: () => undefined,
      heat: () => undefined,
    });
  });
  onTestFinished(() => link.close("instance:test"));
  return { redis, connections, link };
}

describe("payloads that wait for Redis", () => {
  test("leave room for how sessions begin and end", async () => {
    const { redis, link } = await openLink();
    redis.pause();
    const text = "A".repeat(65_536);
    const payloads = Array.from({ length: 300 }, () => link.publish("to:other", text, true));
    const word = link.publish("to:other", "ended", false);
    redis.resume();
    const refused = (await Promise.allSettled(payloads)).filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(await word).toBe(false);
    expect(link.isUp).toBe(true);
  });
});

describe("a Redis that is slow", () => {
  /** Answers after 700 ms. */
  const source = `
    local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
    local begin = now()
    while now() - begin < 700 do end
    return { 1, 0, 0, 'done' }`;
  const slow = { source, sha: createHash("sha1").update(source).digest("hex") };

  test("is not gone while it answers others", async () => {
    const down = vi.fn();
    const { connections, link } = await openLink(down);
    await connections.commands.script("LOAD", source);
    const first = link.ask(slow, [], []);
    // Redis holds back the answers to all that it reads at a time: let it read this one alone.
    stall(200);
    const second = link.ask(slow, [], []);
    expect(await Promise.all([first, second])).toMatchObject([{ word: "done" }, { word: "done" }]);
    expect(down).not.toHaveBeenCalled();
  });
});

describe("codes that are claimed again", () => {
  test("go to Redis fifty at a time", async () => {
    const { client, directory } = await openDirectory();
    const codes = Array.from({ length: 120 }, (_, i) => String(100_000 + i));
    await Promise.all(
      codes.map(
        (code, i) => new Promise((settle) => directory.claim(sessionOf(code), `10.0.0.${i}`, settle)),
      ),
    );
    await client.config("SET", "slowlog-log-slower-than", "0");
    await client.flushall();
    directory.sweep();
    await expect.poll(() => client.exists(...codes.map((code) => `${prefix}code:${code}`))).toBe(120);
    const noted = (await client.slowlog("GET", -1)) as [number, number, number, string[]][];
    const keys = noted
      .filter(([, , , [name]]) => name === "EVALSHA" || name === "EVAL")
      .map(([, , , [, , count]]) => Number(count) - 1);
    expect(Math.max(...keys)).toBe(50);
  });
});
