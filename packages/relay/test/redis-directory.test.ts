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

describe("a message of another instance that fails", () => {
  test("ends its session and nothing else, and is logged without what it held", async () => {
    const left = vi.fn();
    const said = (): never => {
      throw new RangeError("AAAA");
    };
    const { client, directory, log } = await openDirectory({ said, left });
    await new Promise((settle) => directory.claim(sessionOf("482916"), "127.0.0.1", settle));
    const [at = "", session = ""] = await client.hmget(`${prefix}code:482916`, "at", "session");
    const [instance = "", talk = ""] = [1, 2].map((byte) => toBase64Url(new Uint8Array(16).fill(byte)));
    const other = client.duplicate();
    onTestFinished(() => other.disconnect());
    const heard: string[] = [];
    other.on("message", (_channel, text) => heard.push(text));
    await other.subscribe(`${prefix}to:${instance}`);
    for (const text of [`${session} 0 joined ${instance},${talk}`, `${talk} 1 data AAAA`])
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

describe("a Redis that is slow", () => {
  /** Answers after 700 ms. */
  const source = `
    local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
    local begin = now()
    while now() - begin < 700 do end
    return { 1, 0, 0, 'done' }`;
  const slow = { source, sha: createHash("sha1").update(source).digest("hex") };

  test("is not gone while it answers others", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const down = vi.fn();
    const connections = await openConnections(redis.url);
    const link = await new Promise<RedisLink>((resolve) => {
      const made = new RedisLink(connections, "to:test", {
        probe: async () => undefined,
        up: () => resolve(made),
        down,
        forgot: () => undefined,
        heard: () => undefined,
        heat: () => undefined,
      });
    });
    onTestFinished(() => link.close("instance:test"));
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
