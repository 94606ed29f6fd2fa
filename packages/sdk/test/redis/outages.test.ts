import { describe, expect, it, onTestFinished } from "vitest";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { libraries, openStore, until } from "./redis-stores.js";
import { SlowLine } from "./slow-line.js";

const unavailable = /^replay_store_unavailable: The nonce store cannot be asked: /;

/** How long something takes, in milliseconds. */
async function duration(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}

const nextTurn = () => new Promise<string>((resolve) => setImmediate(resolve, "not at once"));

describe.each(Object.entries(libraries))("over %s, a Redis", (_, options) => {
  it("that is killed refuses, in bounded time, and is used again once it is back", async () => {
    const server = await RedisServer.start(onTestFinished);
    const watched = openStore({ ...(await options(server.url)), timeoutMs: 100 });
    const { check, log, events, store } = watched;
    await until(watched, "fresh");
    expect(store.check()).toBeUndefined();
    await server.kill();
    expect(
      await duration(async () => {
        for (let i = 0; i < 5; i++) expect(await check(`during ${i}`)).toMatch(unavailable);
      }),
    ).toBeLessThan(5000);
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^the nonce store cannot be asked: .*; requests are refused until it is back$/);
    await expect
      .poll(() => store.check(), { timeout: 5000 })
      .toMatchObject({ code: "replay_store_unavailable" });
    await server.start();
    const nonce = await until(watched, "fresh");
    expect(await check(nonce)).toBe("seen");
    expect(log.at(-1)).toBe("the nonce store is back");
    await expect.poll(() => store.check(), { timeout: 5000 }).toBeUndefined();
    const changes = events.flatMap((event) =>
      event.type === "circuit" ? [`${event.from} ${event.to}`] : [],
    );
    expect(changes[0]).toBe("closed open");
    expect(changes.at(-1)).toBe("half-open closed");
    expect(events.filter(({ type }) => type === "forgotten")).toHaveLength(1);
  });

  it("that hangs refuses in bounded time, does not forget, and is used again once it goes on", async () => {
    const server = await RedisServer.start(onTestFinished);
    const watched = openStore({ ...(await options(server.url)), timeoutMs: 100 });
    const { check, store } = watched;
    const before = await until(watched, "fresh");
    server.pause();
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => check(`during ${i}`)));
    expect(answers.every((answer) => unavailable.test(answer))).toBe(true);
    // A health check learns it with the requests, not when its own look at Redis is given up.
    expect(store.check()).toMatchObject({ code: "replay_store_unavailable" });
    // What waits for nothing is there before the next turn of the event loop, however busy the machine is.
    const atOnce = () => Promise.race([check("while open"), nextTurn()]);
    await expect.poll(atOnce, { interval: 5, timeout: 10_000 }).toMatch(unavailable);
    server.resume();
    await until(watched, "fresh");
    expect(await check(before)).toBe("seen");
    expect(await check("during 7")).toBe("seen");
    await expect.poll(() => store.check(), { timeout: 5000 }).toBeUndefined();
    expect(store.forgotAt).toBeUndefined();
  });
});

describe("a Redis that is slow", () => {
  it("is waited for, up to the timeout", async () => {
    const server = await RedisServer.start(onTestFinished);
    const line = await SlowLine.to(server.port, onTestFinished);
    const watched = openStore({ redisUrl: line.url, timeoutMs: 800 });
    await until(watched, "fresh");
    line.delayMs = 60;
    expect(await watched.check("slow")).toBe("fresh");
    line.delayMs = 5000;
    const took = await duration(async () =>
      expect(await watched.check("too slow")).toMatch(/no answer in time/),
    );
    expect(took).toBeGreaterThan(780);
    expect(took).toBeLessThan(4000);
  });

  it("is not asked more than so many things at once", async () => {
    const server = await RedisServer.start(onTestFinished);
    const watched = openStore({
      redisUrl: server.url,
      maxWaiting: 20,
      timeoutMs: 100,
      failureThreshold: 1000,
    });
    const { check } = watched;
    await until(watched, "fresh");
    server.pause();
    const answers = Array.from({ length: 50 }, (_, i) => check(`during ${i}`));
    const answered: number[] = [];
    await Promise.all(answers.map((answer, i) => answer.then(() => answered.push(i))));
    // Those beyond the limit are refused before any of the others has waited its time.
    const beyond = Array.from({ length: 30 }, (_, i) => 20 + i);
    expect(answered.slice(0, 30).sort()).toEqual(beyond);
    for (const i of beyond) expect(await answers[i]).toMatch(/20 checks wait/);
    expect(await answers[0]).toMatch(/no answer in time/);
  });
});

describe("a Redis that is away when a process starts", () => {
  it("refuses, says why once, and is used when it comes", async () => {
    const server = await RedisServer.start(onTestFinished);
    await server.kill();
    const watched = openStore(server.url);
    expect(await watched.check("early")).toMatch(/nothing listens there/);
    await expect.poll(() => watched.log[0]).toContain("nothing listens there");
    await server.start();
    await until(watched, "fresh");
    expect(watched.store.forgotAt).toBeUndefined();
  });
});

describe("onOutage: local", () => {
  const open = (url: string, options: object = {}) =>
    openStore({ redisUrl: url, onOutage: "local", timeoutMs: 100, ...options });

  it("says that it is for a single instance", async () => {
    const server = await RedisServer.start(onTestFinished);
    expect(open(server.url).log[0]).toMatch(/^onOutage is "local": .*Several instances would each accept/);
  });

  it("accepts each nonce once, before, during and after an outage, whether Redis forgot or not", async () => {
    const server = await RedisServer.start(onTestFinished);
    const watched = open(server.url);
    const { check, events } = watched;
    const accepted: string[] = [];
    const accept = async (nonce: string) => {
      expect(await check(nonce)).toBe("fresh");
      accepted.push(nonce);
    };
    const outcomes = () => events.flatMap((event) => (event.type === "check" ? [event.outcome] : []));
    const isBack = async () => {
      await expect
        .poll(async () => {
          accepted.push(await until(watched, "fresh"));
          return outcomes().at(-1);
        })
        .toBe("fresh");
    };
    await isBack();
    for (const [begin, end] of [
      [() => server.kill(), () => server.start()],
      [async () => server.pause(), async () => server.resume()],
    ] as const) {
      await accept(`before ${accepted.length}`);
      await begin();
      for (let i = 0; i < 10; i++) await accept(`during ${accepted.length}`);
      expect(outcomes().at(-1)).toBe("local");
      for (const nonce of accepted) expect(await check(nonce), nonce).toBe("seen");
      await end();
      await isBack();
      for (const nonce of accepted) expect(await check(nonce), nonce).toBe("seen");
    }
  });

  it("lets the process that comes next know that there was an outage", async () => {
    const server = await RedisServer.start(onTestFinished);
    const clock = { seconds: 1_800_000_000 };
    const now = () => clock.seconds * 1000;
    const first = open(server.url, { now });
    await until(first, "fresh");
    clock.seconds += 100;
    server.pause();
    expect(await first.check("nobody else knows")).toBe("fresh");
    server.resume();
    clock.seconds += 1;
    await expect
      .poll(async () => {
        await first.check(`${Math.random()}`);
        return first.events.at(-1);
      })
      .toMatchObject({ type: "check", outcome: "fresh" });
    expect(first.store.forgotAt).toBe(1_800_000_000); // what it accepted itself it knows
    const next = open(server.url, { now });
    await until(next, "fresh");
    expect(next.store.forgotAt).toBe(1_800_000_101);
  });

  it("lets the process that comes next know also when it never reached Redis before", async () => {
    const server = await RedisServer.start(onTestFinished);
    const now = () => 1_800_000_000_000;
    await server.kill();
    const first = open(server.url, { now });
    await expect.poll(() => first.log.length).toBe(2);
    expect(await first.check("nobody else knows")).toBe("fresh");
    await server.start();
    const reached = async () => {
      await first.check(`${Math.random()}`);
      return first.events.at(-1);
    };
    await expect.poll(reached).toMatchObject({ type: "check", outcome: "fresh" });
    const next = open(server.url, { now });
    await expect.poll(() => next.store.forgotAt).toBe(1_800_000_000);
    expect(await next.check("after")).toBe("fresh");
  });

  it("refuses what an earlier process may have accepted, when it begins in an outage", async () => {
    const server = await RedisServer.start(onTestFinished);
    await server.kill();
    const { check, store } = open(server.url, { now: () => 1_800_000_000_000 });
    expect(await check("n")).toBe("fresh");
    expect(store.forgotAt).toBe(1_800_000_000);
  });
});
