import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { deadUrl, serve, serveRaw, setStage, upstreamSettings } from "./stage.js";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const requests = 1000;
const atOnce = 50;

/** What an upstream does with a connection, one after the other. */
const behaviours: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  (socket) =>
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
  (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
  (socket) => socket.end("garbage\r\n\r\n"),
  (socket) => socket.destroy(),
  (socket) => socket.end("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
  (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${"x".repeat(100_000)}`),
];

it("thousands of requests that fail in every way leave nothing behind", async () => {
  let turn = 0;
  const upstream = await serveRaw((socket) =>
    socket.on("data", (data) => {
      if (data.includes(" HTTP/1.1\r\n")) behaviours[turn++ % behaviours.length]?.(socket);
    }),
  );
  const upstreams = [upstreamSettings([await deadUrl(), upstream.url])];
  const stage = await setStage({ upstreams });
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const outcomes = new Map<string, number>();
  const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

  const one = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const method = i % 3 === 0 ? "POST" : "GET";
      const request = httpRequest({ port: stage.port, host: "127.0.0.1", method, agent });
      request.on("response", (answer: IncomingMessage) => {
        answer.on("error", () => {}).resume();
        answer.once("end", () => note(String(answer.statusCode)));
      });
      request.on("error", () => note("broken"));
      request.once("close", resolve);
      if (method === "POST") request.end("a body that is sent along");
      else request.end();
      if (i % 11 === 0) request.once("socket", () => setImmediate(() => request.destroy()));
    });
  const run = async (count: number) => {
    let next = 0;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (next < count) await one(next++);
      }),
    );
  };
  const rest = async () => {
    while (stage.running.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stage.log.splice(0);
    stage.observed.splice(0);
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
    return process.memoryUsage().heapUsed;
  };

  const warnings: Error[] = [];
  process.on("warning", (warning) => warnings.push(warning));
  await run(500);
  const before = await rest();
  await run(requests);
  const grown = (await rest()) - before;

  expect(grown / requests).toBeLessThan(1000);
  expect([...outcomes.keys()].sort()).toEqual(["200", "413", "502", "broken"]);
  expect(stage.forwarder.status().upstreams.map(({ pending }) => pending)).toEqual([0, 0]);
  expect(upstream.sockets.size).toBeLessThanOrEqual(16);
  for (const socket of upstream.sockets) expect(socket.listenerCount("error")).toBeLessThan(4);
  agent.destroy();
  await stage.close();
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await upstream.close();
  expect(warnings).toEqual([]);
}, 60_000);

it("WebSockets that come and go leave nothing behind", async () => {
  const upstream = await serve(
    () => {},
    (server) => new WebSocketServer({ server }).on("connection", (socket) => socket.send("hello")),
  );
  const stage = await setStage({ upstreams: [upstreamSettings([upstream.url])] });
  const one = () =>
    new Promise<void>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${stage.port}/`);
      socket.once("message", () => (Math.random() < 0.5 ? socket.terminate() : socket.close()));
      socket.once("close", () => resolve());
    });
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 20 }, one));
  while (stage.running.size > 0 || upstream.sockets.size > 0)
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect(stage.forwarder.status()).toMatchObject({ webSockets: 0, upstreams: [{ pending: 0 }] });
  await stage.close();
  await upstream.close();
});
