import { formatClientMessage, maxPayloadBytes } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device, pair } from "./device.js";
import { RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

const text = 1;
const ping = 9;
const otc = "482916";
const error = (code: string) => ({ type: "error", code });

describe("a peer that says nothing", () => {
  test("is sent away when it does not begin a session within ten seconds", async () => {
    const { url, pass } = await startRelay();
    const device = await Device.open(url);
    pass(9_999);
    await device.settle();
    pass(1);
    expect(await device.closed).toEqual({ code: 4003, reason: "greeting_timeout" });
  });

  test("is pinged, and dropped when the next ping is due and nothing came", async () => {
    const { port, pass, metric } = await startRelay();
    const raw = await RawSocket.open(port);
    raw.send({
      opcode: text,
      payload: formatClientMessage({ type: "listen", otc: "AAECAwQFBgcICQoLDA0ODw" }),
    });
    await raw.frame(text);
    pass(30_000);
    await raw.frame(ping);
    expect(await metric("sockets")).toBe(1);
    pass(30_000);
    await raw.closed();
    expect(await metric("sockets")).toBe(0);
    expect(await metric('sockets_dropped_total{reason="silent"}')).toBe(1);
    expect(await metric('sessions{state="waiting"}')).toBe(0);
  });

  test("and is dropped leaves a peer that hears of it", async () => {
    const { port, url, pass } = await startRelay();
    const raw = await RawSocket.open(port);
    raw.send({ opcode: text, payload: formatClientMessage({ type: "listen", otc }) });
    await raw.frame(text);
    const controller = await Device.open(url);
    await controller.ask({ type: "connect", otc });
    pass(30_000);
    await controller.settle();
    pass(30_000);
    expect(await controller.closed).toEqual({ code: 4001, reason: "peer_left" });
  });

  test("but answers pings may wait as long as its code lives", async () => {
    const { url, pass } = await startRelay();
    const device = await Device.open(url);
    await device.ask({ type: "listen", otc: "AAECAwQFBgcICQoLDA0ODw" });
    for (let i = 0; i < 10; i++) {
      pass(30_000);
      await device.settle();
    }
    expect(device.unread).toEqual([]);
  });

  test("is not waited for with its closing frame", async () => {
    const { port } = await startRelay();
    const raw = await RawSocket.open(port);
    raw.send({ opcode: text, payload: "null" });
    await raw.frame(8);
    const began = performance.now();
    await raw.closed();
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

describe("a peer that reads too slowly", () => {
  test("is dropped before the relay holds much for it, and the other side hears that it left", async () => {
    const limits = { "socket.bytes": 2 ** 30, "socket.buffered": 100_000 };
    const { port, url, metric } = await startRelay({ limits });
    const raw = await RawSocket.open(port);
    raw.send({ opcode: text, payload: formatClientMessage({ type: "listen", otc }) });
    await raw.frame(text);
    const controller = await Device.open(url);
    await controller.ask({ type: "connect", otc });
    raw.stream.pause();

    const message = formatClientMessage({ type: "data", payload: new Uint8Array(maxPayloadBytes) });
    let ended = false;
    const closed = controller.closed.finally(() => {
      ended = true;
    });
    // The kernel takes some megabytes by itself; far beyond them the relay must have given up.
    for (let i = 0; i < 1_000 && !ended; i++) {
      await new Promise((resolve) => controller.socket.send(message, resolve));
    }
    expect(await closed).toEqual({ code: 4001, reason: "peer_left" });
    expect(await metric('sockets_dropped_total{reason="slow_reader"}')).toBe(1);
    await expect.poll(() => metric("sockets")).toBe(0);
  });
});

describe("a peer that sends too much", () => {
  const limits = { "socket.bytes": 10_000 };

  test("of data is cut off, and its peer hears that it left", async () => {
    const { url } = await startRelay({ limits });
    const { target, controller } = await pair(url);
    for (let i = 0; i < 10; i++) controller.say({ type: "data", payload: new Uint8Array(750) });
    let last: unknown;
    while (JSON.stringify(last) !== JSON.stringify(error("frame_too_large"))) last = await controller.next();
    expect(await controller.closed).toEqual({ code: 1009, reason: "frame_too_large" });
    expect(await target.closed).toEqual({ code: 4001, reason: "peer_left" });
  });

  test.each([
    ["pings", 9],
    ["pongs", 10],
  ])("of %s is cut off, and dropped when it goes on", async (_, opcode) => {
    const { port, url, metric } = await startRelay({ limits });
    const raw = await RawSocket.open(port);
    const flood = { opcode, payload: "x".repeat(100) };
    raw.stream.on("close", () => clearInterval(sending));
    const sending = setInterval(() => raw.send(flood, flood, flood, flood, flood, flood, flood, flood), 1);
    await raw.closed();
    expect(await metric('refusals_total{code="frame_too_large"}')).toBe(1);
    expect(await metric('sockets_dropped_total{reason="flooding"}')).toBe(1);
    const device = await Device.open(url);
    await device.settle();
  });

  test("does not keep others from pairing", async () => {
    const { port, url } = await startRelay();
    const flood = await RawSocket.open(port);
    const sending = setInterval(
      () => flood.send(...Array.from({ length: 100 }, () => ({ opcode: ping }))),
      0,
    );
    flood.stream.on("close", () => clearInterval(sending));
    const { target, controller } = await pair(url);
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await target.next()).toEqual({ type: "data", payload: "AQ==" });
    flood.stream.destroy();
    await flood.closed();
  });
});
