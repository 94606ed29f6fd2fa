import { maxPayloadBytes, toBase64Url } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device, expectWholeTalk } from "./device.js";
import { keysOf, pairAcross, startInstances, tell } from "./instances.js";

const otc = "482916";
const longCode = toBase64Url(new Uint8Array(16).fill(7));
const error = (code: string) => ({ type: "error", code });
const found = { type: "peer_found" };
const listening = { type: "listening", expiresIn: 60 };
const prefix = "{amesh-relay}:";

describe("two instances that share a Redis", () => {
  test("bring two devices together, hand on what they say and end with done", async () => {
    const { one, other } = await startInstances();
    const target = await Device.open(one.url);
    expect(await target.ask({ type: "listen", otc })).toEqual(listening);
    const controller = await Device.open(other.url);
    expect(await controller.ask({ type: "connect", otc })).toEqual(found);
    expect(await target.next()).toEqual(found);
    expect([await one.metric("sessions_across"), await other.metric("sessions_across")]).toEqual([1, 1]);

    await expectWholeTalk({ target, controller });
    for (const { metric } of [one, other]) {
      await expect.poll(() => metric("sessions_across")).toBe(0);
      expect(await metric('sessions_ended_total{outcome="done"}')).toBe(1);
    }
  });

  test("hand on the longest messages, in both directions and in their order", async () => {
    const { target, controller } = await pairAcross(await startInstances());
    const most = 3; // of the longest, at a time
    const sides = [
      [target, controller],
      [controller, target],
    ] as const;
    for (const [from, to] of sides) {
      for (let i = 0; i < most; i++)
        from.say({ type: "data", payload: new Uint8Array(maxPayloadBytes).fill(i) });
      for (let i = 0; i < most; i++) {
        const { payload } = (await to.next()) as { payload: string };
        expect(Buffer.from(payload, "base64").equals(Buffer.alloc(maxPayloadBytes, i))).toBe(true);
      }
    }
  });

  test("let one of two listen under a code, and one of two answer it", async () => {
    const { one, other } = await startInstances({
      limits: { "address.listens": 100, "address.failures": 100, "address.sockets": 100 },
    });
    for (let code = 100_000; code < 100_010; code++) {
      const both = (type: "listen" | "connect") =>
        Promise.all([tell(one, type, String(code)), tell(other, type, String(code))]);
      expect(await both("listen")).toEqual(expect.arrayContaining([listening, error("otc_in_use")]));
      expect(await both("connect")).toEqual(expect.arrayContaining([error("peer_already_connected")]));
    }
  });

  test("forget a code after five latecomers, and leave the two that met alone", async () => {
    const instances = await startInstances({ limits: { "address.failures": 100 } });
    const { one, other } = instances;
    const { target, controller } = await pairAcross(instances);
    for (const instance of [one, other, one, other, other])
      expect(await tell(instance, "connect", otc)).toEqual(error("peer_already_connected"));
    expect(await tell(other, "connect", otc)).toEqual(error("otc_not_found"));
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await target.next()).toEqual({ type: "data", payload: "AQ==" });
  });

  test("end a session for the one side when the other leaves, and free its code", async () => {
    const instances = await startInstances();
    const sides = [
      ["target", "controller"],
      ["controller", "target"],
    ] as const;
    for (const [leaves, stays] of sides) {
      const devices = await pairAcross(instances);
      devices[leaves].socket.terminate();
      expect(await devices[stays].closed).toEqual({ code: 4001, reason: "peer_left" });
      await expect.poll(() => instances.client.exists(`${prefix}code:${otc}`)).toBe(0);
    }
  });

  test("end a session after its 150 seconds", async () => {
    const instances = await startInstances();
    const { target, controller } = await pairAcross(instances);
    instances.other.pass(150_000);
    for (const { closed } of [target, controller])
      expect(await closed).toEqual({ code: 4002, reason: "session_expired" });
  });

  test("say otc_expired where the device had waited, otc_not_found elsewhere", async () => {
    const { one, other } = await startInstances();
    const target = await Device.open(one.url);
    await target.ask({ type: "listen", otc });
    one.pass(60_000);
    expect(await target.next()).toEqual(error("otc_expired"));
    expect(await tell(one, "connect", otc)).toEqual(error("otc_expired"));
    expect(await tell(other, "connect", otc)).toEqual(error("otc_not_found"));
  });

  test("count failures together: five at two of them, and both refuse the sixth", async () => {
    const { one, other } = await startInstances();
    for (const instance of [one, other, one, other, one])
      expect(await tell(instance, "connect", otc)).toEqual(error("otc_not_found"));
    expect(await tell(other, "connect", otc)).toEqual(error("rate_limited"));
    expect(await tell(other, "listen", otc)).toEqual(error("rate_limited"));
    expect(await tell(other, "connect", longCode)).toEqual(error("otc_not_found"));
  });

  test("count what they refuse by themselves", async () => {
    const { one, other } = await startInstances({ limits: { "address.failures": 2 } });
    await tell(one, "listen", otc);
    for (let i = 0; i < 2; i++) expect(await tell(one, "listen", otc)).toEqual(error("otc_in_use"));
    expect(await tell(other, "connect", "111111")).toEqual(error("rate_limited"));
  });

  test("count listens, and what all addresses do, together", async () => {
    const limits = { "address.listens": 2, "relay.failures": 2 };
    const { one, other } = await startInstances({ trustProxy: 1, limits });
    await tell(one, "listen", "111111", "192.0.2.1");
    await tell(other, "listen", "222222", "192.0.2.1");
    expect(await tell(other, "listen", "333333", "192.0.2.1")).toEqual(error("rate_limited"));
    await tell(one, "connect", otc, "192.0.2.2");
    // Half of what all may guess in a minute is used up, as the other instance learns with its next answer.
    expect(await tell(other, "connect", longCode, "192.0.2.3")).toEqual(error("otc_not_found"));
    expect(await tell(other, "connect", otc, "192.0.2.4")).toEqual(error("otc_not_found"));
    expect(await other.metric('challenges_total{outcome="solved"}')).toBe(1);
    expect(await tell(one, "connect", otc, "192.0.2.5")).toEqual(error("relay_capacity"));
  });

  test("let a minute pass, as Redis measures it", async () => {
    const { one, other, client } = await startInstances();
    for (let i = 0; i < 5; i++) await tell(one, "connect", otc);
    const key = `${prefix}failures:short:127.0.0.1`;
    const oldest = Number(await client.lindex(key, 4));
    await client.lset(key, 4, String(oldest - 60_000));
    expect(await tell(other, "connect", otc)).toEqual(error("otc_not_found"));
    expect(await tell(other, "connect", otc)).toEqual(error("rate_limited"));
  });

  test("count nothing that lies ahead of a clock of Redis that was set back", async () => {
    const { one, client } = await startInstances();
    const ahead = Array.from({ length: 10 }, () => Date.now() + 3_600_000);
    for (const what of ["listens", "failures:short"])
      for (const scope of ["127.0.0.1", "all"]) await client.lpush(`${prefix}${what}:${scope}`, ...ahead);
    for (let i = 0; i < 5; i++) expect(await tell(one, "connect", otc)).toEqual(error("otc_not_found"));
    expect(await tell(one, "listen", otc)).toEqual(error("rate_limited"));
  });

  test("cut a slow reader where it is, and tell the other side", async () => {
    const instances = await startInstances({
      limits: { "socket.buffered": 200_000, "socket.bytes": 100_000_000 },
    });
    const { target, controller } = await pairAcross(instances);
    target.socket.pause();
    let open = true;
    const closed = controller.closed.finally(() => {
      open = false;
    });
    // One after the other, so that nothing waits but at the reader.
    while (open) {
      controller.say({ type: "data", payload: new Uint8Array(maxPayloadBytes) });
      await Promise.race([controller.settle(), closed]);
    }
    expect(await closed).toEqual({ code: 4001, reason: "peer_left" });
    expect(await instances.one.metric('sockets_dropped_total{reason="slow_reader"}')).toBe(1);
  });

  test("drain: pairs may finish, then the other side hears that its peer left", async () => {
    const instances = await startInstances();
    const { one } = instances;
    const finished = await pairAcross(instances, "111111");
    const cut = await pairAcross(instances, "222222");
    const closed = one.relay.close();
    finished.controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await finished.target.next()).toMatchObject({ type: "data" });
    finished.target.say({ type: "done" });
    expect(await finished.controller.next()).toEqual({ type: "done" });
    one.pass(10_000);
    expect(await cut.target.closed).toEqual({ code: 1001, reason: "relay_closing" });
    expect(await cut.controller.closed).toEqual({ code: 4001, reason: "peer_left" });
    await closed;
    expect(
      [...(await keysOf(instances.client)).keys()].filter((key) => key.includes("instance:")),
    ).toHaveLength(1);
  });

  test("keep nothing for more than a minute, no name, no payload, and no code in a log", async () => {
    const instances = await startInstances();
    const { one, other, client } = instances;
    const { target, controller } = await pairAcross(instances);
    controller.say({ type: "data", payload: Buffer.from("a payload") });
    await target.next();
    await tell(one, "listen", longCode);
    await tell(other, "connect", "111111");
    const keys = await keysOf(client);
    expect(keys.size).toBeGreaterThan(6);
    for (const [key, life] of keys) {
      expect(key.startsWith(prefix)).toBe(true);
      expect(life).toBeGreaterThan(0);
      expect(life).toBeLessThanOrEqual(60_000);
    }
    for (const log of [one.log(), other.log()]) {
      for (const secret of [otc, longCode, "111111", "payload", "127.0.0.1:"])
        expect(log).not.toContain(secret);
    }
  });

  test("renew a code that waits longer than Redis keeps it", async () => {
    const { one, other, client } = await startInstances();
    const target = await Device.open(one.url);
    expect(await target.ask({ type: "listen", otc: longCode })).toEqual({
      type: "listening",
      expiresIn: 86_400,
    });
    const key = `${prefix}code:${longCode}`;
    await client.pexpire(key, 5_000);
    one.pass(20_000);
    await expect.poll(() => client.pttl(key)).toBeGreaterThan(50_000);
    expect(await tell(other, "connect", longCode)).toEqual(found);
  });

  test("take a code back whose instance lives no more", async () => {
    const { one, other, client } = await startInstances();
    await client.hset(`${prefix}code:${otc}`, { at: "A".repeat(22), session: "B".repeat(22) });
    expect(await tell(one, "connect", otc)).toEqual(error("otc_not_found"));
    await client.hset(`${prefix}code:${otc}`, { at: "A".repeat(22), session: "B".repeat(22) });
    expect(await tell(other, "listen", otc)).toEqual(listening);
  });

  test("end what is across when the instance of the other side gives no sign of life", async () => {
    const instances = await startInstances();
    const { one, other, client } = instances;
    const { controller } = await pairAcross(instances);
    const at = await client.hget(`${prefix}code:${otc}`, "at");
    await client.del(`${prefix}instance:${at}`);
    other.pass(1_000);
    expect(await controller.closed).toEqual({ code: 4001, reason: "peer_left" });
    expect(await one.metric("store_up")).toBe(1);
  });
});

describe("what comes over an instance's channel", () => {
  const channelOf = async (client: { keys(pattern: string): Promise<string[]> }, at: string) => {
    const [key] = await client.keys(`${prefix}instance:${at}`);
    return key?.replace("instance:", "to:") ?? "";
  };

  test("is ignored when it names no session, or cannot be read", async () => {
    const instances = await startInstances();
    const { client } = instances;
    const { target, controller } = await pairAcross(instances);
    const channel = await channelOf(client, (await client.hget(`${prefix}code:${otc}`, "at")) ?? "");
    const id = "A".repeat(22);
    for (const text of [
      "",
      "x",
      `${id} 0 data AAEC`,
      `${id} 0 ended peer_left`,
      `${id} 0 joined ${id},${id}`,
      `${id} 0 accepted ${id}`,
    ])
      expect(await client.publish(channel, text)).toBe(1);
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await target.next()).toEqual({ type: "data", payload: "AQ==" });
  });

  test("ends the session when it is out of place", async () => {
    const instances = await startInstances();
    const { client } = instances;
    const { target, controller } = await pairAcross(instances);
    const channel = await channelOf(client, (await client.hget(`${prefix}code:${otc}`, "at")) ?? "");
    const listener = client.duplicate();
    await listener.subscribe(channel);
    const heard = new Promise<string>((resolve) => listener.once("message", (_, text) => resolve(text)));
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    const said = await heard;
    listener.disconnect();
    await target.next();
    await client.publish(channel, said);
    for (const { closed } of [target, controller])
      expect(await closed).toEqual({ code: 4001, reason: "peer_left" });
  });
});
