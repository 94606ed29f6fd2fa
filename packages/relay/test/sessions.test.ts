import { toBase64Url } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device, expectWholeTalk, pair } from "./device.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";
const longCode = toBase64Url(new Uint8Array(16).fill(7));
const payload = Uint8Array.from([0, 250, 255]);
const error = (code: string) => ({ type: "error", code });

describe("a session", () => {
  test("begins with a code, brings two devices together, hands on what they say and ends with done", async () => {
    const { url, metric } = await startRelay();
    const target = await Device.open(url);
    expect(await target.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
    expect(await metric('sessions{state="waiting"}')).toBe(1);

    const controller = await Device.open(url);
    expect(await controller.ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
    expect(await target.next()).toEqual({ type: "peer_found" });
    expect(await metric('sessions{state="paired"}')).toBe(1);

    await expectWholeTalk({ target, controller });
    expect(controller.unread).toEqual([]);
    expect(await metric('sessions_ended_total{outcome="done"}')).toBe(1);
    expect(await metric("messages_forwarded_total")).toBe(2);
    expect(await metric("bytes_forwarded_total")).toBe(3);
    expect(await metric('sessions{state="paired"}')).toBe(0);
  });

  test("hands on no member that data does not have", async () => {
    const { url } = await startRelay();
    const { target, controller } = await pair(url);
    controller.sendRaw('{"note":"covert","payload":"AAEC","type":"data"}');
    expect(await target.next()).toEqual({ type: "data", payload: "AAEC" });
  });

  test("keeps the order of many messages", async () => {
    const { url } = await startRelay();
    const { target, controller } = await pair(url);
    for (let i = 0; i < 200; i++) controller.say({ type: "data", payload: Uint8Array.of(i) });
    for (let i = 0; i < 200; i++) {
      expect(await target.next()).toEqual({ type: "data", payload: Buffer.of(i).toString("base64") });
    }
  });

  test("keeps pairs apart", async () => {
    const { url } = await startRelay();
    const one = await pair(url, "111111");
    const other = await pair(url, "222222");
    one.controller.say({ type: "data", payload });
    await one.target.next();
    await other.target.settle();
    expect(other.target.unread).toEqual([]);
  });

  test.each([
    ["the controller", "target", "controller"],
    ["the target", "controller", "target"],
  ] as const)("ends for the one side when %s leaves", async (_, stays, leaves) => {
    const { url, metric } = await startRelay();
    const devices = await pair(url);
    devices[leaves].socket.terminate();
    expect(await devices[stays].closed).toEqual({ code: 4001, reason: "peer_left" });
    expect(await metric('sessions_ended_total{outcome="peer_left"}')).toBe(1);
  });

  test("of a device that misspoke tells it why, and its peer that it left", async () => {
    const { url } = await startRelay();
    const { target, controller } = await pair(url);
    controller.sendRaw("null");
    expect(await controller.next()).toEqual(error("bad_message"));
    expect(await controller.closed).toEqual({ code: 1008, reason: "bad_message" });
    expect(await target.closed).toEqual({ code: 4001, reason: "peer_left" });
  });
});

describe("a code", () => {
  test("that nobody waits under is not found", async () => {
    const { url } = await startRelay();
    const controller = await Device.open(url);
    expect(await controller.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));
    expect(await controller.closed).toEqual({ code: 1008, reason: "otc_not_found" });
  });

  test("lives 60 seconds, then both sides hear that it expired", async () => {
    const { url, pass, metric } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    pass(59_999);
    await target.settle();
    expect(target.unread).toEqual([]);
    pass(1);
    expect(await target.next()).toEqual(error("otc_expired"));
    expect(await target.closed).toEqual({ code: 1008, reason: "otc_expired" });
    expect(await metric('sessions_ended_total{outcome="otc_expired"}')).toBe(1);

    const late = await Device.open(url);
    expect(await late.ask({ type: "connect", otc })).toEqual(error("otc_expired"));
  });

  test("is not answered after its time, even when the relay has not looked at the clock since", async () => {
    let time = 0;
    const { url } = await startRelay({ now: () => time });
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    const controller = await Device.open(url);
    time = 60_000;
    expect(await controller.ask({ type: "connect", otc })).toEqual(error("otc_expired"));
    expect(await target.next()).toEqual(error("otc_expired"));
  });

  test("that expired is forgotten a minute later, and may be drawn anew before", async () => {
    const { url, pass } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    pass(60_000);
    await target.closed;
    pass(60_000);
    const late = await Device.open(url);
    expect(await late.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));
    const again = await Device.open(url);
    expect(await again.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
  });

  test("that was answered has 150 seconds more", async () => {
    const { url, pass } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    pass(59_000);
    await target.settle();
    const controller = await Device.open(url);
    await controller.ask({ type: "connect", otc });
    for (let i = 0; i < 5; i++) {
      pass(29_999);
      await Promise.all([target.settle(), controller.settle()]);
    }
    controller.say({ type: "data", payload });
    expect(await target.next()).toEqual({ type: "peer_found" });
    expect(await target.next()).toEqual({ type: "data", payload: "APr/" });
    pass(5);
    expect(await target.closed).toEqual({ code: 4002, reason: "session_expired" });
    expect(await controller.closed).toEqual({ code: 4002, reason: "session_expired" });
  });

  test("of 22 characters lives while its socket stays, at most a day", async () => {
    const { url, pass } = await startRelay();
    const target = await Device.open(url);
    expect(await target.ask({ type: "listen", otc: longCode })).toEqual({
      type: "listening",
      expiresIn: 86_400,
    });
    pass(86_399_999);
    await target.settle();
    expect(target.unread).toEqual([]);
    pass(1);
    expect(await target.next()).toEqual(error("otc_expired"));
  });

  test("of 22 characters is answered hours later", async () => {
    const { url, pass } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc: longCode });
    pass(7_200_000);
    await target.settle();
    const controller = await Device.open(url);
    expect(await controller.ask({ type: "connect", otc: longCode })).toEqual({ type: "peer_found" });
  });

  test("is gone with the device that waited under it", async () => {
    const { url, metric } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc: longCode });
    target.socket.close();
    await expect.poll(() => metric('sessions{state="waiting"}')).toBe(0);
    const controller = await Device.open(url);
    expect(await controller.ask({ type: "connect", otc: longCode })).toEqual(error("otc_not_found"));
  });

  test("is one device's to wait under", async () => {
    const { url } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    const other = await Device.open(url);
    expect(await other.ask({ type: "listen", otc })).toEqual(error("otc_in_use"));
    expect(await other.closed).toEqual({ code: 1008, reason: "otc_in_use" });
    await target.settle();
    expect(target.unread).toEqual([]);
  });

  test("is answered once, however many answer at the same time", async () => {
    const { url } = await startRelay({ trustProxy: 1 });
    const target = await Device.open(url, "192.0.2.1");
    await target.ask({ type: "listen", otc: longCode });
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => Device.open(url, `198.51.100.${i}`)));
    const answers = await Promise.all(many.map((device) => device.ask({ type: "connect", otc: longCode })));
    const kinds = answers.map((answer) => JSON.stringify(answer)).sort();
    expect(kinds.filter((kind) => kind.includes("peer_found"))).toHaveLength(1);
    expect(kinds.filter((kind) => kind.includes("peer_already_connected"))).toHaveLength(5);
    expect(kinds.filter((kind) => kind.includes("otc_not_found"))).toHaveLength(14);
  });

  test("is answered once, and forgotten after five who came too late", async () => {
    const { url } = await startRelay({ trustProxy: 1 });
    const { target, controller } = await pair(url, otc, ["192.0.2.1", "192.0.2.2"]);
    for (let i = 0; i < 5; i++) {
      const late = await Device.open(url, `198.51.100.${i}`);
      expect(await late.ask({ type: "connect", otc })).toEqual(error("peer_already_connected"));
      expect(await late.closed).toEqual({ code: 1008, reason: "peer_already_connected" });
    }
    const sixth = await Device.open(url, "198.51.100.6");
    expect(await sixth.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));

    controller.say({ type: "data", payload });
    expect(await target.next()).toEqual({ type: "data", payload: "APr/" });
    const next = await Device.open(url, "192.0.2.3");
    expect(await next.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
    target.socket.close();
    await controller.closed;
    const answer = await Device.open(url, "192.0.2.4");
    expect(await answer.ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
  });
});

describe("one socket, one session", () => {
  test.each([
    ["a second listen", { type: "listen", otc: "654321" }],
    ["connect after listen", { type: "connect", otc: "654321" }],
    ["data before the peer is found", { type: "data", payload }],
    ["done before the peer is found", { type: "done" }],
  ] as const)("%s is bad_message", async (_, message) => {
    const { url } = await startRelay();
    const target = await Device.open(url);
    await target.ask({ type: "listen", otc });
    expect(await target.ask(message)).toEqual(error("bad_message"));
    const controller = await Device.open(url);
    expect(await controller.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));
  });

  test.each([
    ["data", { type: "data", payload }],
    ["done", { type: "done" }],
  ] as const)("%s from a socket without a session is bad_message", async (_, message) => {
    const { url } = await startRelay();
    const device = await Device.open(url);
    expect(await device.ask(message)).toEqual(error("bad_message"));
  });

  test.each([
    ["listen", { type: "listen", otc: "654321" }],
    ["connect", { type: "connect", otc: "654321" }],
  ] as const)("%s from a socket that is paired is bad_message", async (_, message) => {
    const { url } = await startRelay();
    const { controller } = await pair(url);
    expect(await controller.ask(message)).toEqual(error("bad_message"));
  });

  test("nothing that follows an error is read", async () => {
    const { url } = await startRelay();
    const device = await Device.open(url);
    device.say({ type: "done" });
    device.say({ type: "listen", otc });
    expect(await device.next()).toEqual(error("bad_message"));
    await device.closed;
    expect(device.unread).toEqual([]);
  });
});
