import { createVerifier } from "@authmesh/core";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { watchRedis } from "../../../../test/fixtures/redis-monitor.js";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import {
  DevicesInMemory,
  laptop,
  receive,
  send,
  type Wire,
} from "../../../core/test/verification-fixture.js";
import type { RedisNonceStoreOptions } from "../../src/redis/index.js";
import { refusalResponse } from "../../src/refusal-response.js";
import { openStore, until } from "./redis-stores.js";
import { SlowLine } from "./slow-line.js";

/** One clock for everything, in Unix seconds; nothing waits for it. */
class Clock {
  seconds = 1_800_000_000;
  readonly now = () => this.seconds * 1000;
}

/** An instance of the called service, with a store of its own. */
async function instance(clock: Clock, url: string, options: RedisNonceStoreOptions = {}) {
  const watched = openStore({ redisUrl: url, now: clock.now, ...options });
  const verify = createVerifier({
    trust: new DevicesInMemory(laptop.entry()),
    nonces: watched.store,
    audience: "api.example.com",
    now: clock.now,
  });
  const present = async (wire: Wire) => {
    const decision = await verify(receive(wire));
    return decision.allowed ? "allowed" : decision.failure.code;
  };
  /** Lets it find out what has become of Redis, by a request of its own. */
  const lookUp = async () => {
    const answers = new Set<string>();
    const own = async () => {
      answers.add(await present(await send({ at: clock.seconds + 25 })));
      return watched.store.forgotAt;
    };
    await expect.poll(own, { interval: 5, timeout: 10_000 }).toBeDefined();
    expect([...answers]).toEqual(["replay_store_unavailable"]);
  };
  return { ...watched, verify, present, lookUp };
}

/** A request of a client whose clock is so many seconds ahead. */
const sendAhead = (clock: Clock, seconds: number) => send({ at: clock.seconds + seconds });

/** What makes a Redis forget. Each gets the line that leads to it, and may open another server. */
const losses: Readonly<
  Record<string, (server: RedisServer, line: SlowLine, clock: Clock) => Promise<unknown>>
> = {
  "restarted empty": async (server) => {
    await server.kill();
    await server.start();
  },
  "emptied, with no connection lost": async (server) => {
    const admin = new Redis(server.url);
    await admin.flushall();
    admin.disconnect();
  },
  "replaced by another, empty one": async (_, line) => {
    const other = await RedisServer.start(onTestFinished);
    line.leadTo(other.port);
  },
  "replaced by one that was in use before": async (_, line, clock) => {
    const other = await RedisServer.start(onTestFinished);
    const earlier = { now: () => clock.now() - 3_600_000 };
    expect(await openStore({ redisUrl: other.url, ...earlier }).check("long ago")).toBe("fresh");
    line.leadTo(other.port);
  },
  "replaced by a replica that missed the last writes": async (server, line) => {
    const primary = new Redis(server.url);
    await primary.config("SET", "repl-diskless-sync-delay", "0");
    primary.disconnect();
    const replica = await RedisServer.start(onTestFinished, "--replicaof", "127.0.0.1", String(server.port));
    const admin = new Redis(replica.url);
    await expect.poll(() => admin.info("replication")).toContain("master_link_status:up");
    await expect.poll(() => admin.get("am:{A}")).not.toBeNull();
    await admin.call("REPLICAOF", "NO", "ONE");
    // What the primary recorded last did not reach it.
    for (const key of await admin.keys("am:{?}?*")) await admin.del(key);
    admin.disconnect();
    line.leadTo(replica.port);
  },
};

describe.each(Object.entries(losses))("a Redis that is %s", (_, lose) => {
  it("lets no forgotten request in again, at any instance, also of a client whose clock is 20 s ahead", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const line = await SlowLine.to(server.port, onTestFinished);
    const [one, other, idle] = [
      await instance(clock, line.url),
      await instance(clock, line.url),
      await instance(clock, line.url),
    ];
    for (const { store } of [one, other, idle])
      await expect.poll(() => store.acceptsFrom).toBe(clock.seconds - 1);
    clock.seconds += 60;
    const accepted: Wire[] = [];
    for (const ahead of [0, 20, 30, -30]) {
      const wire = await sendAhead(clock, ahead);
      expect(await one.present(wire)).toBe("allowed");
      expect(await other.present(wire)).toBe("replay_detected");
      accepted.push(wire);
    }

    clock.seconds += 2;
    await lose(server, line, clock);
    const changed = clock.seconds;
    await one.lookUp();
    expect(one.store.forgotAt).toBe(changed);
    expect(one.log.filter((each) => each.includes("lost its memory"))).toHaveLength(1);

    clock.seconds += 10; // the other instances come across it later
    await other.lookUp();
    await idle.lookUp();
    const late = await instance(clock, line.url);
    await expect.poll(() => late.store.forgotAt).toBe(changed);

    for (; clock.seconds <= changed + 70; clock.seconds++) {
      for (const wire of accepted) {
        for (const each of [one, other, idle, late])
          expect(["replay_store_unavailable", "clock_skew", "replay_detected"]).toContain(
            await each.present(wire),
          );
      }
    }
  });
});

describe("after a loss", () => {
  it("the answer is 503, with the time after which a new request is accepted", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { verify, present, lookUp } = await instance(clock, server.url);
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    await losses["restarted empty"]?.(server, undefined as never, clock);
    await lookUp();
    clock.seconds += 5;
    const refused = await verify(receive(await sendAhead(clock, 0)));
    if (refused.allowed) throw new Error("let in");
    const { status, headers, body } = refusalResponse(refused);
    expect([status, body]).toEqual([503, '{"error":"replay_store_unavailable"}']);
    expect(headers["Retry-After"]).toBe("36");
    clock.seconds += 35;
    expect(await present(await sendAhead(clock, 0))).toBe("replay_store_unavailable");
    clock.seconds += 1;
    const wire = await sendAhead(clock, 0);
    expect(await present(wire)).toBe("allowed");
    expect(await present(wire)).toBe("replay_detected");
  });

  it("the caller with whom it is found hears of that time too", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { verify, present } = await instance(clock, server.url);
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    clock.seconds += 60;
    await losses["emptied, with no connection lost"]?.(server, undefined as never, clock);
    const refused = await verify(receive(await sendAhead(clock, 0)));
    expect(refused).toMatchObject({ failure: { code: "replay_store_unavailable", retryAfterSeconds: 41 } });
  });

  it("an instance that starts and knows of nothing does not hide it from those that do", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const knowing = await instance(clock, server.url);
    const wire = await sendAhead(clock, 20);
    expect(await knowing.present(wire)).toBe("allowed");
    await losses["restarted empty"]?.(server, undefined as never, clock);
    const naive = await instance(clock, server.url);
    await until(naive, "fresh");
    expect(naive.store.forgotAt).toBeUndefined();
    await knowing.lookUp();
    expect(await knowing.present(wire)).toBe("replay_store_unavailable");
    expect(await naive.present(await sendAhead(clock, 1))).toBe("replay_store_unavailable");
    expect(naive.store.forgotAt).toBe(clock.seconds);
    expect(await naive.present(wire)).toBe("replay_store_unavailable");
  });

  it("a marker written by a clock far ahead does not keep everybody out", async () => {
    const server = await RedisServer.start(onTestFinished);
    const [wrong, right] = [new Clock(), new Clock()];
    wrong.seconds += 1_000_000;
    const astray = await instance(wrong, server.url, { emptyStore: "forgotten" });
    await until(astray, "fresh");
    const { store } = await instance(right, server.url);
    await expect.poll(() => store.forgotAt).toBe(right.seconds);
  });
});

describe("while no requests come", () => {
  it("a loss is noticed as Redis comes back, and dated then: after 45 s of silence the first request is let in", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { store, present } = await instance(clock, server.url);
    const wire = await sendAhead(clock, 20);
    expect(await present(wire)).toBe("allowed");
    const lost = clock.seconds;
    await losses["restarted empty"]?.(server, undefined as never, clock);
    await expect.poll(() => store.forgotAt).toBe(lost);
    clock.seconds += 45;
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    expect(await present(wire)).toBe("replay_store_unavailable");
  });

  it("a loss is noticed also where no connection ends", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { store, present } = await instance(clock, server.url, { watchMs: 20 });
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    await losses["emptied, with no connection lost"]?.(server, undefined as never, clock);
    await expect.poll(() => store.forgotAt).toBe(clock.seconds);
  });

  it("a second loss is noticed within the epoch of the first, and dated then", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { store, present } = await instance(clock, server.url);
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    for (const pass of [0, 15]) {
      clock.seconds += pass;
      await losses["restarted empty"]?.(server, undefined as never, clock);
      await expect.poll(() => store.forgotAt).toBe(clock.seconds);
    }
    clock.seconds += 40;
    expect(await present(await sendAhead(clock, 0))).toBe("replay_store_unavailable");
    clock.seconds += 1;
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
  });

  it("the second loss is dated by itself, even by an instance that accepted nothing in between: another one has", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const [one, other] = [await instance(clock, server.url), await instance(clock, server.url)];
    for (const { present } of [one, other]) expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    await losses["restarted empty"]?.(server, undefined as never, clock);
    for (const { store } of [one, other]) await expect.poll(() => store.forgotAt).toBe(clock.seconds);
    clock.seconds += 15;
    const wire = await sendAhead(clock, 29);
    const answer = () => other.present(wire);
    await expect.poll(answer).toMatch(/allowed|replay_detected/);
    await other.store.close();
    await losses["restarted empty"]?.(server, undefined as never, clock);
    await expect.poll(() => one.store.forgotAt).toBe(clock.seconds);
    expect(await one.present(wire)).toBe("replay_store_unavailable");
  });

  it("an instance that accepted nothing yet does not take the Redis that it knew for a new one", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const idle = await instance(clock, server.url);
    await expect.poll(() => idle.store.acceptsFrom).toBeDefined();
    const busy = await instance(clock, server.url);
    const wire = await sendAhead(clock, 20);
    expect(await busy.present(wire)).toBe("allowed");
    await busy.store.close();
    await losses["restarted empty"]?.(server, undefined as never, clock);
    await expect.poll(() => idle.store.forgotAt).toBe(clock.seconds);
    expect(await idle.present(wire)).toBe("replay_store_unavailable");
  });

  it("a healthy Redis gets one small command at a time", async () => {
    const server = await RedisServer.start(onTestFinished);
    const watched = openStore({ redisUrl: server.url, watchMs: 10 });
    await until(watched, "fresh");
    const seen = await watchRedis(server.port, onTestFinished);
    const asked = () => seen.filter(({ source }) => source !== "lua");
    await expect.poll(() => asked().length).toBeGreaterThan(3);
    expect(new Set(asked().map(({ command }) => command[0]?.toLowerCase()))).toEqual(new Set(["evalsha"]));
  });
});

it("what would date a loss is not done late: a client may hold it back until the server is another one", async () => {
  const clock = new Clock();
  const server = await RedisServer.start(onTestFinished);
  const far = new Redis(server.url);
  far.on("error", () => {});
  onTestFinished(() => far.disconnect());
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held: string[] = [];
  const sendCommand = async ([name = "", ...args]: string[]) => {
    if (args.length > 4 && name === "EVAL" && clock.seconds === 1_800_000_000) {
      held.push(name);
      await released;
    }
    return far.call(name, args);
  };
  const slow = openStore({
    client: { sendCommand, isOpen: true },
    now: clock.now,
    emptyStore: "forgotten",
  });
  await expect.poll(() => held.length).toBe(64);
  clock.seconds += 100;
  await losses["restarted empty"]?.(server, undefined as never, clock);
  release();
  await until(slow, "fresh");
  expect(slow.store.forgotAt).toBe(clock.seconds);
  expect(await far.get("am:{A}")).toMatch(` lost ${clock.seconds}`);
});

describe("a store that is empty when a process starts", () => {
  it("is taken for a new one: only what was stamped before is refused", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { present, log } = await instance(clock, server.url);
    expect(await present(await sendAhead(clock, 0))).toBe("allowed");
    expect(await present(await sendAhead(clock, -1))).toBe("replay_epoch");
    expect(log).toEqual([]);
  });

  it("is taken for one that forgot, where that is asked for", async () => {
    const clock = new Clock();
    const server = await RedisServer.start(onTestFinished);
    const { present, store } = await instance(clock, server.url, { emptyStore: "forgotten" });
    await expect.poll(() => store.forgotAt).toBe(clock.seconds);
    expect(await present(await sendAhead(clock, 20))).toBe("replay_store_unavailable");
  });
});

it("a Redis that kept everything, and only lost its connections, goes on without an epoch", async () => {
  const clock = new Clock();
  const server = await RedisServer.start(onTestFinished);
  const line = await SlowLine.to(server.port, onTestFinished);
  const { present, store, check } = await instance(clock, line.url);
  const wire = await sendAhead(clock, 20);
  expect(await present(wire)).toBe("allowed");
  line.cut();
  await expect.poll(() => check(`${Math.random()}`)).toBe("fresh");
  expect(await present(wire)).toBe("replay_detected");
  expect(store.forgotAt).toBeUndefined();
});

it("scripts that a server dropped are brought to it again, and nothing is lost", async () => {
  const server = await RedisServer.start(onTestFinished);
  const watched = openStore(server.url);
  expect(await watched.check("n")).toBe("fresh");
  const admin = new Redis(server.url);
  await admin.script("FLUSH");
  admin.disconnect();
  await until(watched, "fresh");
  expect(await watched.check("n")).toBe("seen");
  expect(watched.store.forgotAt).toBeUndefined();
});
