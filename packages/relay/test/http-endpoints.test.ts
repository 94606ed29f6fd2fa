import { describe, expect, test } from "vitest";
import { Device, refusedUpgrade } from "./device.js";
import { RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

describe("over HTTP the relay", () => {
  test("is healthy and tells the time, so that a clock can be compared", async () => {
    const { port } = await startRelay();
    const before = Date.now();
    const response = await fetch(`http://127.0.0.1:${port}/health?from=test`);
    const body = (await response.json()) as Record<string, unknown>;
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      status: "ok",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      uptime: 0,
      time: expect.any(Number),
    });
    expect(body["time"]).toBeGreaterThanOrEqual(before);
    expect(body["time"]).toBeLessThanOrEqual(Date.now());
  });

  test("is ready", async () => {
    const { port } = await startRelay();
    const response = await fetch(`http://127.0.0.1:${port}/ready`);
    expect([response.status, await response.json()]).toEqual([200, { status: "ready" }]);
  });

  test("gives metrics that Prometheus reads, each series from the start", async () => {
    const { port, url } = await startRelay();
    await Device.open(url);
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(
        /^(# (HELP amesh_relay_\w+ .+|TYPE amesh_relay_\w+ (counter|gauge))|amesh_relay_\w+(\{\w+="\w+"\})? \d+)$/,
      );
    }
    expect(text).toContain("amesh_relay_sockets 1\n");
    expect(text).toContain("amesh_relay_sockets_opened_total 1\n");
    expect(text).toContain('amesh_relay_refusals_total{code="otc_not_found"} 0\n');
  });

  test.each([
    ["GET", "/", 404, "not_found"],
    ["GET", "/health/", 404, "not_found"],
    ["GET", "/constructor", 404, "not_found"],
    ["GET", "//health", 404, "not_found"],
    ["POST", "/health", 405, "method_not_allowed"],
    ["GET", "/ws", 426, "upgrade_required"],
  ])("answers %s %s with %i", async (method, path, status, error) => {
    const { port } = await startRelay();
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    expect([response.status, await response.json()]).toEqual([status, { error }]);
  });

  test("answers HEAD without a body", async () => {
    const { port } = await startRelay();
    const response = await fetch(`http://127.0.0.1:${port}/health`, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("ignores an offer to speak HTTP/2", async () => {
    const { port } = await startRelay();
    const raw = await RawSocket.connect(port);
    raw.stream.write("GET /ready HTTP/1.1\r\nHost: r\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    await raw.closed();
    expect(raw.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(raw.text).toMatch(/\{"status":"ready"\}$/);
  });

  test.each([
    [
      "another path",
      "GET /wss HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
      404,
    ],
    ["no key", "GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 13", 400],
    [
      "another version",
      "GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
      426,
    ],
    [
      "another method",
      "POST /ws HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
      405,
    ],
  ])("opens no socket on %s", async (_, head, status) => {
    const { port, metric } = await startRelay();
    const raw = await RawSocket.connect(port);
    raw.stream.write(`${head}\r\nHost: r\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    await raw.closed();
    expect(raw.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    await expect.poll(() => metric("sockets")).toBe(0);
  });

  test("opens a socket on /ws with a query", async () => {
    const { url } = await startRelay();
    const device = await Device.open(`${url}?v=1`);
    expect(await device.ask({ type: "listen", otc: "482916" })).toEqual({ type: "listening", expiresIn: 60 });
  });

  test("refuses header fields beyond 8 KiB", async () => {
    const { port } = await startRelay();
    const raw = await RawSocket.connect(port);
    raw.stream.write(`GET /health HTTP/1.1\r\nHost: r\r\nX: ${"x".repeat(9_000)}\r\n\r\n`);
    await raw.closed();
    expect(raw.text).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("does not wait for a request that does not come, or comes a line at a time", async () => {
    const { port } = await startRelay();
    const silent = await RawSocket.connect(port);
    const slow = await RawSocket.connect(port);
    slow.stream.write("GET /ws HTTP/1.1\r\n");
    const dripping = setInterval(() => slow.stream.write("X: y\r\n"), 200);
    slow.stream.on("close", () => clearInterval(dripping));
    const half = await RawSocket.connect(port);
    half.stream.write("GET /ws HTTP/1.1\r\nHost: r\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    await Promise.all([silent.closed(), slow.closed(), half.closed()]);
    expect(half.text).toMatch(/^HTTP\/1\.1 408 /);
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe("a web page", () => {
  test("opens no socket, unless its origin is allowed", async () => {
    const { url, metric } = await startRelay({ allowOrigins: ["https://console.example.com"] });
    await Device.open(url, undefined, { origin: "https://console.example.com" });
    for (const origin of ["https://example.com", "https://console.example.com.evil.test", "null"]) {
      expect(await refusedUpgrade(url, { origin })).toMatchObject({
        status: 403,
        body: { error: "origin_refused" },
      });
    }
    expect(await metric('refusals_total{code="origin_refused"}')).toBe(3);
    expect(await metric("sockets")).toBe(1);
  });
});
