import type { RedisCommands } from "@authmesh/core";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { RedisStreamAuditSink } from "../../src/audit/index.js";
import { event } from "./fixture.js";

let stop = async () => {};
let client: Redis;
let commands: RedisCommands;
beforeAll(async () => {
  const server = await RedisServer.start((remove) => {
    stop = remove;
  });
  client = new Redis(server.url);
  commands = { send: (_key, [name, ...args]) => client.call(name, args), close: async () => {} };
});
afterAll(async () => {
  client.disconnect();
  await stop();
});

test("each event is an entry of the stream, in order", async () => {
  const sink = new RedisStreamAuditSink({ commands, key: "audit" });
  const events = [event("a"), event("b"), event("c")];
  await sink.write(events);
  const entries = await client.xrange("audit", "-", "+");
  expect(entries.map(([, [name, line = ""]]) => [name, JSON.parse(line)])).toEqual(
    events.map((each) => ["event", each]),
  );
});

test("the stream does not grow without end", async () => {
  const sink = new RedisStreamAuditSink({ commands, key: "short", maxLength: 100 });
  for (let i = 0; i < 20; i++) await sink.write(Array.from({ length: 50 }, (_, j) => event(`${i}.${j}`)));
  expect(await client.xlen("short")).toBeLessThan(300);
});

test("what Redis refuses is a failure, and so is what it does not answer in time", async () => {
  await client.set("text", "x");
  await expect(new RedisStreamAuditSink({ commands, key: "text" }).write([event("a")])).rejects.toThrow(
    "WRONGTYPE",
  );
  const silent: RedisCommands = { send: () => new Promise(() => {}), close: async () => {} };
  const limit = new AbortController();
  const written = new RedisStreamAuditSink({ commands: silent }).write([event("a")], limit.signal);
  limit.abort(new Error("enough"));
  await expect(written).rejects.toThrow("enough");
});

test("a length that makes no sense is refused", () => {
  expect(() => new RedisStreamAuditSink({ commands, maxLength: 0 })).toThrow(TypeError);
});
