import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, vi } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { openGateway } from "./hostile-stage.js";
import { RawClient } from "./raw-client.js";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const head = "HTTP/1.1 200 OK\r\n";
type Fault = (socket: Socket) => void;

/** What the upstream does, in turn; and what callers may get of it. */
const faults: readonly Fault[] = [
  (socket) => socket.write(`${head}Content-Length: 5\r\n\r\nhello`),
  (socket) => socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`),
  (socket) => socket.end(`${head}Content-Length: 9\r\n\r\nhello`),
  (socket) => socket.end("garbage\r\n\r\n"),
  (socket) => socket.destroy(),
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Le"),
  (socket) =>
    socket.write(`${head}Content-Length: 5\r\n\r\nhelloHTTP/1.1 299 Poison\r\nContent-Length: 0\r\n\r\n`),
  (socket) => socket.write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50)),
  (socket) => socket.write(`${head}Content-Length: 100000\r\n\r\n${"x".repeat(100_000)}`),
  (socket) => socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`),
  (socket) => socket.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
];
/** These wait until the gateway does not. */
const stalls: readonly Fault[] = [
  () => {},
  (socket) => socket.write(`${head}Content-Length: 9\r\n\r\nhello`),
  (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Le"),
];

const atOnce = 40;
const connections = 16;

/** What callers send, in turn. */
const asks: readonly string[] = [
  "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 20\r\n\r\na body that is passed",
  "POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "GET /a//b HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\nGET /a HTTP/1.1\r\nHost: a.example\r\n\r\n",
  // Of who leaves in its middle.
  "POST /leaves HTTP/1.1\r\nHost: a.example\r\nContent-Length: 20\r\n\r\nhalf a",
];

const allowed: ReadonlySet<string> = new Set(["200", "400", "413", "502", "504", "broken", "left"]);

interface Count {
  readonly requests: number;
  /** Every so many requests the upstream stalls, which takes its time. */
  readonly stallEvery: number;
}

/**
 * Lets callers of every kind meet an upstream with every fault, and expects that afterwards sockets, file descriptors,
 * handles and heap are where they were before the last of them.
 */
export async function sufferFaults({ requests, stallEvery }: Count): Promise<void> {
  const sockets = new Set<Socket>();
  let turn = 0;
  const upstream = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      if (!bytes.includes(" HTTP/1.1\r\n")) return;
      turn += 1;
      const list = turn % stallEvery === 0 ? stalls : faults;
      const index = turn % stallEvery === 0 ? turn / stallEvery : turn;
      list[index % list.length]?.(socket);
    });
  });
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const url = new URL(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
  const route = routeOf({ public: true, answerTimeoutMs: 100, idleTimeoutMs: 100 });
  const before = resources();
  const stage = await openGateway(url, [route], {}, { maxConnections: connections });
  const outcomes = new Map<string, number>();
  const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

  async function one(i: number): Promise<void> {
    const bytes = asks[i % asks.length] as string;
    const client = await RawClient.open(stage.port);
    await client.send(bytes);
    if (bytes.includes("/leaves")) note("left");
    else
      await client.answer().then(
        ({ status }) => note(String(status)),
        () => note("broken"),
      );
    client.destroy();
  }
  async function run(count: number): Promise<void> {
    let next = 0;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (next < count) await one(next++);
      }),
    );
  }
  const calm = () =>
    vi.waitFor(
      () => {
        collect();
        const now = resources();
        // The pool of the upstream may keep its connections: an end here, an end there.
        expect(now.sockets).toBeLessThanOrEqual(before.sockets + 2 * connections);
        expect(now.fds).toBeLessThanOrEqual(before.fds + 2 * connections + 4);
        expect(sockets.size).toBeLessThanOrEqual(connections);
        return process.memoryUsage().heapUsed;
      },
      { timeout: 10_000, interval: 20 },
    );

  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on("warning", warn);
  await run(Math.ceil(requests / 4));
  const heap = await calm();
  await run(requests);
  const grown = (await calm()) - heap;
  for (const outcome of outcomes.keys()) expect(allowed).toContain(outcome);
  for (const outcome of allowed) expect(outcomes.get(outcome), outcome).toBeGreaterThan(0);
  expect(grown, `${grown} bytes of heap`).toBeLessThan(2_000_000 + requests * 20);

  await stage.gateway.close();
  await vi.waitFor(() => expect(sockets.size).toBe(0));
  const closed = once(upstream, "close");
  upstream.close();
  await closed;
  await vi.waitFor(() => {
    const after = resources();
    expect(after.sockets).toBeLessThanOrEqual(before.sockets);
    expect(after.fds).toBeLessThanOrEqual(before.fds);
  });
  process.off("warning", warn);
  expect(warnings).toEqual([]);
}

const resources = () => ({
  fds: readdirSync("/proc/self/fd").length,
  sockets: process.getActiveResourcesInfo().filter((name) => /TCP|Pipe/.test(name)).length,
});
