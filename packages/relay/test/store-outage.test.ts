import { toBase64Url } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device, pair } from "./device.js";
import { type Instances, pairAcross, startInstances, tell } from "./instances.js";
import { type RunningRelay, startRelay } from "./running-relay.js";

const otc = "482916";
const longCode = toBase64Url(new Uint8Array(16).fill(7));
const error = (code: string) => ({ type: "error", code });
const found = { type: "peer_found" };
const unavailable = error("relay_store_unavailable");
const code = "{amesh-relay}:code:";

const readiness = async ({ port }: RunningRelay): Promise<[number, unknown]> => {
  const response = await fetch(`http://127.0.0.1:${port}/ready`);
  return [response.status, await response.json()];
};
const isBack = ({ one, other }: Instances) =>
  expect
    .poll(async () => [...(await readiness(one)), ...(await readiness(other))], { timeout: 10_000 })
    .toEqual([200, { status: "ready" }, 200, { status: "ready" }]);

describe("while the shared Redis is", () => {
  test.each([
    [
      "gone",
      (instances: Instances) => instances.redis.kill(),
      (instances: Instances) => instances.redis.start(),
    ],
    [
      "stopped",
      async ({ redis }: Instances) => redis.pause(),
      async ({ redis }: Instances) => redis.resume(),
    ],
  ])("pairs of one instance go on, and what needs the others is refused: %s", async (_, take, give) => {
    const instances = await startInstances();
    const { one, other } = instances;
    const near = await pair(one.url, "111111");
    const far = await pairAcross(instances, "222222");
    const waits = await Device.open(one.url);
    await waits.ask({ type: "listen", otc: "333333" });
    const longWaits = await Device.open(one.url);
    await longWaits.ask({ type: "listen", otc: longCode });

    await take(instances);
    expect(await tell(one, "listen", otc)).toEqual(unavailable);
    expect(await tell(other, "connect", "333333")).toEqual(unavailable);
    for (const { closed } of [far.target, far.controller])
      expect(await closed).toEqual({ code: 4001, reason: "peer_left" });
    near.controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await near.target.next()).toEqual({ type: "data", payload: "AQ==" });
    expect(await tell(one, "connect", "333333")).toEqual(found);
    expect(await waits.next()).toEqual(found);
    for (const instance of [one, other]) {
      expect(await readiness(instance)).toEqual([503, { status: "store_unavailable" }]);
      expect(await instance.metric("store_up")).toBe(0);
      expect(instance.log().match(/the shared store is gone/g)).toHaveLength(1);
    }

    await give(instances);
    await isBack(instances);
    expect(await tell(other, "connect", longCode)).toEqual(found);
    expect(await longWaits.next()).toEqual(found);
    for (const instance of [one, other])
      expect(instance.log().match(/the shared store is there/g)).toHaveLength(2);
  });

  test("gone, guesses count where they are made, and lock nobody out once it is back", async () => {
    const instances = await startInstances();
    const { redis, one, other } = instances;
    await redis.kill();
    for (let i = 0; i < 5; i++) expect(await tell(one, "connect", otc)).toEqual(unavailable);
    expect(await tell(one, "connect", otc)).toEqual(error("rate_limited"));
    await redis.start();
    await isBack(instances);
    expect(await tell(other, "listen", otc)).toMatchObject({ type: "listening" });
    expect(await tell(one, "connect", otc)).toEqual(found);
    await redis.kill();
    expect(await tell(one, "connect", "999999")).toEqual(error("rate_limited"));
  });

  test.each([
    ["one address", ["rate_limited", 5], () => "10.0.0.1"],
    ["many addresses", ["relay_capacity", 20], (i: number) => `10.0.0.${i + 1}`],
  ] as const)(
    "stopped, no more guesses of %s at a time are looked up than may miss",
    async (_, [refusal, most], from) => {
      const { redis, one } = await startInstances({ trustProxy: 1, limits: { "relay.failures": 20 } });
      const listener = await Device.open(one.url, "10.0.1.1");
      await listener.ask({ type: "listen", otc });
      const guessers = await Promise.all(
        Array.from({ length: most + 5 }, (_, i) => Device.open(one.url, from(i))),
      );
      redis.pause();
      // The right code comes last.
      for (const [i, guesser] of guessers.entries())
        guesser.say({ type: "connect", otc: i === guessers.length - 1 ? otc : String(100_000 + i) });
      const answers = await Promise.all(guessers.map((guesser) => guesser.next()));
      expect(answers).toEqual(guessers.map((_, i) => (i < most ? unavailable : error(refusal))));
      expect(listener.unread).toEqual([]);
      redis.resume();
    },
  );

  test("not there yet, a relay starts and says so", async () => {
    const relay = await startRelay({ redisUrl: "redis://user:secret@127.0.0.1:1" });
    expect(await readiness(relay)).toEqual([503, { status: "store_unavailable" }]);
    expect(relay.log()).toContain("the shared store is gone");
    expect(relay.log()).not.toMatch(/secret|127\.0\.0\.1:1\b/);
  });
});

describe("a socket of which Redis was not told an answer yet", () => {
  test("may say nothing", async () => {
    const { redis, one } = await startInstances();
    redis.pause();
    const device = await Device.open(one.url);
    device.say({ type: "connect", otc });
    device.say({ type: "done" });
    expect(await device.next()).toEqual(error("bad_message"));
    redis.resume();
  });

  test("leaves nothing behind when it closes", async () => {
    const instances = await startInstances();
    const { redis, one, client } = instances;
    redis.pause();
    const device = await Device.open(one.url);
    device.say({ type: "listen", otc });
    await device.settle();
    device.socket.terminate();
    await expect.poll(() => one.metric('sessions{state="waiting"}')).toBe(0);
    redis.resume();
    await isBack(instances);
    await expect.poll(() => client.exists(code + otc)).toBe(0);
    expect(await tell(one, "listen", otc)).toMatchObject({ type: "listening" });
  });
});

/** The connections of clients to Redis: which they are, and whether they listen. */
async function connectionsTo(client: Instances["client"]) {
  const lines = String(await client.client("LIST"))
    .trim()
    .split("\n");
  return lines.map((line) => ({
    id: Number(/\bid=(\d+)/.exec(line)?.[1]),
    listens: / sub=1 /.test(line),
  }));
}

describe("one instance that loses its way to Redis", () => {
  test.each([
    ["commands", false],
    ["what it hears", true],
  ])(
    "ends its pairs across for both sides, at once, and finds back: the connection for %s",
    async (_, listens) => {
      const { redis, client, one } = await startInstances();
      const before = (await connectionsTo(client)).map(({ id }) => id);
      const third = await startRelay({ redisUrl: redis.url });
      const its = (await connectionsTo(client)).filter(({ id }) => !before.includes(id));
      const cut = its.find((connection) => connection.listens === listens);
      const pairs = [
        await pairAcross({ one, other: third }, "111111"),
        await pairAcross({ one: third, other: one }, "222222"),
      ];
      await client.client("KILL", "ID", cut?.id ?? 0);
      await expect.poll(() => third.log()).toMatch(/is gone[\s\S]*is there/);
      one.pass(1_000);
      for (const { target, controller } of pairs)
        for (const { closed } of [target, controller])
          expect(await closed).toEqual({ code: 4001, reason: "peer_left" });
      const { target, controller } = await pairAcross({ one: third, other: one });
      controller.say({ type: "data", payload: Uint8Array.of(1) });
      expect(await target.next()).toMatchObject({ type: "data" });
      expect([await one.metric("sessions_across"), await third.metric("sessions_across")]).toEqual([1, 1]);
    },
  );
});

describe("a Redis that lost writes", () => {
  test("is told again who waits, at the next sign of life", async () => {
    const { one, other, client } = await startInstances();
    const target = await Device.open(one.url);
    await target.ask({ type: "listen", otc });
    await client.flushall();
    expect(await tell(other, "connect", otc)).toEqual(error("otc_not_found"));
    one.pass(1_000);
    await expect.poll(() => client.exists(code + otc)).toBe(1);
    expect(await client.pttl(code + otc)).toBeLessThanOrEqual(59_000);
    expect(await tell(other, "connect", otc)).toEqual(found);
  });

  test("ends a wait whose code is somebody else's by now", async () => {
    const { one, other, client } = await startInstances();
    const target = await Device.open(one.url);
    await target.ask({ type: "listen", otc });
    await client.flushall();
    expect(await tell(other, "listen", otc)).toMatchObject({ type: "listening" });
    one.pass(1_000);
    expect(await target.next()).toEqual(error("otc_in_use"));
    expect(await tell(one, "connect", otc)).toEqual(found);
  });
});
