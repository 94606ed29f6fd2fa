import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { Device, pair, refusedUpgrade } from "./device.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";
const error = (code: string) => ({ type: "error", code });

describe("an address", () => {
  test("has ten sockets at a time; the eleventh is refused before it is one", async () => {
    const { url, metric } = await startRelay();
    const devices = await Promise.all(Array.from({ length: 10 }, () => Device.open(url)));
    const refused = await refusedUpgrade(url);
    expect(refused).toMatchObject({ status: 429, body: { error: "rate_limited" } });
    expect(refused.headers["retry-after"]).toBe("60");
    expect(await metric('refusals_total{code="rate_limited"}')).toBe(1);
    expect(await metric("sockets")).toBe(10);

    devices[0]?.socket.close();
    await expect.poll(() => metric("sockets")).toBe(9);
    await Device.open(url);
  });

  test("opens sixty sockets a minute", async () => {
    const { url, pass } = await startRelay();
    for (let i = 0; i < 60; i++) {
      const device = await Device.open(url);
      device.socket.close();
      await device.closed;
    }
    expect(await refusedUpgrade(url)).toMatchObject({ status: 429, body: { error: "rate_limited" } });
    pass(60_000);
    await Device.open(url);
  });

  test("may listen ten times a minute", async () => {
    const { url, pass } = await startRelay();
    for (let i = 0; i < 10; i++) {
      const target = await Device.open(url);
      await target.ask({ type: "listen", otc: `10000${i}` });
      target.socket.close();
      await target.closed;
    }
    const eleventh = await Device.open(url);
    expect(await eleventh.ask({ type: "listen", otc })).toEqual(error("rate_limited"));
    expect(await eleventh.closed).toEqual({ code: 1013, reason: "rate_limited" });
    pass(60_000);
    const later = await Device.open(url);
    expect(await later.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
  });

  test("may miss five times a minute, and then does not learn whether it would have hit", async () => {
    const { url, pass } = await startRelay({ trustProxy: 1 });
    const target = await Device.open(url, "192.0.2.1");
    await target.ask({ type: "listen", otc });
    for (let i = 0; i < 5; i++) {
      const guess = await Device.open(url, "198.51.100.1");
      expect(await guess.ask({ type: "connect", otc: `10000${i}` })).toEqual(error("otc_not_found"));
    }
    const hit = await Device.open(url, "198.51.100.1");
    expect(await hit.ask({ type: "connect", otc })).toEqual(error("rate_limited"));
    const bystander = await Device.open(url, "198.51.100.2");
    expect(await bystander.ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
    pass(60_000);
    const later = await Device.open(url, "198.51.100.1");
    expect(await later.ask({ type: "connect", otc })).not.toEqual(error("rate_limited"));
  });

  test("that looks for 22-character codes in vain may pair by six digits all the same, and is bounded on its own", async () => {
    const limits = { "address.openings": 1000, "address.listens": 1000 };
    const { url, pass } = await startRelay({ trustProxy: 1, limits });
    const target = await Device.open(url, "192.0.2.1");
    await target.ask({ type: "listen", otc });
    const ask = async (message: { type: "connect" | "listen"; otc: string }) => {
      const device = await Device.open(url, "198.51.100.1");
      const answer = await device.ask(message);
      device.socket.close();
      await device.closed;
      return answer;
    };
    const long = Buffer.alloc(16, 7).toString("base64url");
    for (let i = 0; i < 30; i++)
      expect(await ask({ type: "connect", otc: long })).toEqual(error("otc_not_found"));
    expect(await ask({ type: "connect", otc: long })).toEqual(error("rate_limited"));
    expect(await ask({ type: "listen", otc: long })).toEqual(error("rate_limited"));
    expect(await ask({ type: "listen", otc: "482917" })).toEqual({ type: "listening", expiresIn: 60 });
    expect(await ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
    pass(60_000);
    expect(await ask({ type: "connect", otc: long })).toEqual(error("otc_not_found"));
  });

  test("misses when it listens for a taken code, so that listening is no way to look for codes", async () => {
    const { url } = await startRelay({ trustProxy: 1 });
    const target = await Device.open(url, "192.0.2.1");
    await target.ask({ type: "listen", otc });
    for (let i = 0; i < 5; i++) {
      const probe = await Device.open(url, "198.51.100.1");
      expect(await probe.ask({ type: "listen", otc })).toEqual(error("otc_in_use"));
    }
    const probe = await Device.open(url, "198.51.100.1");
    expect(await probe.ask({ type: "listen", otc })).toEqual(error("rate_limited"));
    const guess = await Device.open(url, "198.51.100.1");
    expect(await guess.ask({ type: "connect", otc })).toEqual(error("rate_limited"));
  });

  test("of IPv6 is its /64, and behind a proxy is what the proxy saw", async () => {
    const { url } = await startRelay({ trustProxy: 1, limits: { "address.sockets": 1 } });
    await Device.open(url, "10.0.0.1, 2001:db8:1:2::1");
    await Device.open(url, "10.0.0.1, 2001:db8:1:3::1");
    const headers = { "X-Forwarded-For": "10.0.0.9, 2001:db8:1:2:ffff::2" };
    expect(await refusedUpgrade(url, { headers })).toMatchObject({ status: 429 });
  });

  test("that no proxy vouches for cannot name itself", async () => {
    const { url } = await startRelay({ limits: { "address.sockets": 1 } });
    await Device.open(url, "192.0.2.1");
    const headers = { "X-Forwarded-For": "192.0.2.2" };
    expect(await refusedUpgrade(url, { headers })).toMatchObject({ status: 429 });
  });

  test("has 32 connections at a time, even if nothing is said on them", async () => {
    const { port, url } = await startRelay();
    const silent = Array.from({ length: 32 }, () => connect(port, "127.0.0.1"));
    await Promise.all(silent.map((stream) => once(stream, "connect")));
    const refused = connect(port, "127.0.0.1");
    refused.resume();
    await once(refused, "close");
    for (const stream of silent) stream.destroy();
    await Promise.all(silent.map((stream) => once(stream, "close")));
    await expect
      .poll(() =>
        Device.open(url).then(
          () => "open",
          () => "refused",
        ),
      )
      .toBe("open");
  });
});

test("behind a proxy, whose connections they all are, devices are told apart", async () => {
  const { url } = await startRelay({ trustProxy: 1, limits: { "address.connections": 2 } });
  for (let i = 0; i < 4; i++) await Device.open(url, `192.0.2.${i}`);
});

describe("the relay as a whole", () => {
  test("holds no more sockets than it may", async () => {
    const { url } = await startRelay({ trustProxy: 1, limits: { "relay.sockets": 2 } });
    await Device.open(url, "192.0.2.1");
    await Device.open(url, "192.0.2.2");
    const headers = { "X-Forwarded-For": "192.0.2.3" };
    expect(await refusedUpgrade(url, { headers })).toMatchObject({
      status: 503,
      body: { error: "relay_capacity" },
    });
  });

  test("holds no more sessions than it may, whether they wait or talk", async () => {
    const { url, metric } = await startRelay({ limits: { "relay.sessions": 2 } });
    const { target, controller } = await pair(url);
    const waiting = await Device.open(url);
    await waiting.ask({ type: "listen", otc: "111111" });
    const third = await Device.open(url);
    expect(await third.ask({ type: "listen", otc: "222222" })).toEqual(error("relay_capacity"));
    expect(await third.closed).toEqual({ code: 1013, reason: "relay_capacity" });
    expect(await metric('refusals_total{code="relay_capacity"}')).toBe(1);
    target.socket.close();
    await controller.closed;
    const fourth = await Device.open(url);
    expect(await fourth.ask({ type: "listen", otc: "222222" })).toEqual({ type: "listening", expiresIn: 60 });
  });

  test.each([
    ["listens", { "relay.listens": 2 }],
    ["misses", { "relay.failures": 2 }],
    ["misses of 22-character codes", { "relay.longFailures": 2 }],
  ])("bounds all %s a minute, however many addresses they come from", async (kind, limits) => {
    const code = (i: number) =>
      kind.includes("22") ? Buffer.alloc(16, i).toString("base64url") : `10000${i}`;
    const { url } = await startRelay({ trustProxy: 1, limits });
    const type = kind === "listens" ? "listen" : "connect";
    for (let i = 0; i < 2; i++) {
      const device = await Device.open(url, `192.0.2.${i}`);
      await device.ask({ type, otc: code(i) });
    }
    const third = await Device.open(url, "192.0.2.9");
    expect(await third.ask({ type, otc: code(9) })).toEqual(error("relay_capacity"));
  });
});
