import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { formatClientMessage, maxPayloadBytes } from "@authmesh/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { Device, pair } from "./device.js";
import { type Frame, RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

const [continuation, text, ping] = [0, 1, 9] as const;
const otc = "482916";
const empty = formatClientMessage({ type: "data", payload: new Uint8Array() });
const full = formatClientMessage({ type: "data", payload: new Uint8Array(maxPayloadBytes) });

/** One message in frames of a byte. */
const crumbs = (message: string): Frame[] =>
  [...message].map((payload, i) => ({
    opcode: i === 0 ? text : continuation,
    fin: i === message.length - 1,
    payload,
  }));

/** Has two bare sockets meet. */
async function rawPair(port: number, code = otc): Promise<[target: RawSocket, controller: RawSocket]> {
  const target = await RawSocket.open(port);
  target.send({ opcode: text, payload: formatClientMessage({ type: "listen", otc: code }) });
  await target.frame(text);
  const controller = await RawSocket.open(port);
  controller.send({ opcode: text, payload: formatClientMessage({ type: "connect", otc: code }) });
  await controller.frame(text);
  return [target, controller];
}

describe("a flood of connections", () => {
  test("is taken as far as the relay's number goes, and the next one when some are gone", async () => {
    const { port, url } = await startRelay({ trustProxy: 1, limits: { "relay.connections": 20 } });
    const silent = await Promise.all(Array.from({ length: 20 }, () => RawSocket.connect(port)));
    const refused = await RawSocket.connect(port);
    await refused.closed();
    for (const raw of silent.slice(0, 2)) raw.stream.destroy();
    await expect.poll(() => Device.open(url).then(Boolean, () => false)).toBe(true);
  });

  test("of one address ends at its share, while others pair", async () => {
    const { url, metric } = await startRelay({ trustProxy: 1 });
    const openings = Array.from({ length: 100 }, () =>
      Device.open(url, "203.0.113.1").then(Boolean, () => false),
    );
    const paired = pair(url, otc, ["192.0.2.1", "192.0.2.2"]);
    expect((await Promise.all(openings)).filter(Boolean)).toHaveLength(10);
    const { target, controller } = await paired;
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await target.next()).toEqual({ type: "data", payload: "AQ==" });
    expect(await metric('refusals_total{code="rate_limited"}')).toBe(90);
  });
});

describe("a socket that is half open", () => {
  test.each<[string, readonly Frame[] | Buffer]>([
    ["after the handshake", []],
    ["in the middle of a header", Buffer.of(0x81)],
    ["in the middle of a frame", [{ opcode: text, payload: "{", length: 60_000 }]],
    ["in the middle of a message", [{ opcode: text, fin: false, payload: "{" }]],
  ])("%s is closed after ten seconds, whoever it was", async (_, sent) => {
    const { port, pass, metric } = await startRelay();
    const raw = await RawSocket.open(port);
    if (Buffer.isBuffer(sent)) raw.stream.write(sent);
    else raw.send(...sent);
    await expect.poll(() => metric("sockets")).toBe(1);
    pass(10_000);
    expect((await raw.frame(8)).subarray(2).toString()).toBe("greeting_timeout");
  });

  test("in the middle of a frame of a pair is dropped by the second ping", async () => {
    const { port, pass, metric } = await startRelay();
    const [target, controller] = await rawPair(port);
    controller.send({ opcode: text, payload: "{", length: 60_000 });
    pass(30_000);
    target.send({ opcode: 10 });
    await controller.frame(ping);
    await expect.poll(() => metric("sockets")).toBe(2);
    pass(30_000);
    await controller.closed();
    expect((await target.frame(8)).subarray(2).toString()).toBe("peer_left");
  });
});

describe("a flood of small frames", () => {
  test.each<[string, Frame[]]>([
    ["messages without a payload", [{ opcode: text, payload: empty }]],
    ["messages in frames of a byte", crumbs(empty)],
  ])("of %s ends at the share of its socket, while others pair", async (_, frames) => {
    const { port, url, metric } = await startRelay();
    const [target, controller] = await rawPair(port);
    const pouring = controller.pour(frames, 4 * 1_048_576);
    const honest = await pair(url, "482917");
    honest.controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await honest.target.next()).toEqual({ type: "data", payload: "AQ==" });
    await pouring;
    expect((await target.frame(8)).subarray(2).toString()).toBe("peer_left");
    expect(await metric('refusals_total{code="frame_too_large"}')).toBe(1);
    expect(await metric("messages_forwarded_total")).toBeLessThan(1_048_576 / empty.length);
  });
});

describe("a peer that does not read", () => {
  test("the answers to its pings is dropped before they are many", async () => {
    const { port, metric } = await startRelay({ limits: { "socket.bytes": 2 ** 30 } });
    const [target, controller] = await rawPair(port);
    controller.stream.pause();
    // The kernel takes some megabytes by itself.
    await controller.pour([{ opcode: ping, payload: "x".repeat(125) }], 100 * 1_048_576);
    expect((await target.frame(8)).subarray(2).toString()).toBe("peer_left");
    expect(await metric('sockets_dropped_total{reason="flooding"}')).toBe(1);
  });

  test("costs a relay no more memory than it may, whatever the other side sends", async () => {
    const relay = await startProcess([
      "--limit",
      `socket.bytes=${2 ** 30}`,
      "--limit",
      "address.sockets=100",
    ]);
    const before = relay.memory();
    const pairs = await Promise.all(Array.from({ length: 5 }, (_, i) => rawPair(relay.port, `10000${i}`)));
    const poured = pairs.map(([target, controller]) => {
      target.stream.pause();
      return controller.pour([{ opcode: text, payload: full }], 32 * 1_048_576);
    });
    await Promise.all(poured);
    expect(relay.memory() - before).toBeLessThan(96 * 1_048_576);
    await Device.open(relay.url);
  });
});

/** The relay's own process, and how much memory it has resident, in bytes. */
async function startProcess(argv: readonly string[]) {
  const bin = fileURLToPath(new URL("../bin/authmesh-relay.js", import.meta.url));
  const child = spawn(process.execPath, [bin, "--host", "127.0.0.1", "--port", "0", "--json", ...argv], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  const memory = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) * 1024;
  return { url, port, memory };
}
