import { once } from "node:events";
import type { Server } from "node:http";
import { connect, createServer } from "node:http2";
import { expect, it, onTestFinished } from "vitest";
import { limitResets } from "../src/inbound/reset-limit.js";
import { listening } from "./fixtures/served.js";

it("ends a session of HTTP/2 that takes back what it asks for, over and over", async () => {
  const server = createServer();
  server.prependListener("connection", (socket) =>
    server.once("session", (session) => limitResets(session, socket)),
  );
  server.on("request", () => {}); // answers nobody
  onTestFinished(() => void server.close());
  const session = connect(`http://127.0.0.1:${await listening(server as unknown as Server)}`);
  session.on("error", () => {});
  const ended = new Promise((resolve) => session.once("close", resolve));
  await once(session, "connect");
  for (let i = 0; i < 150; i++) {
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => {});
    setImmediate(() => stream.close(8));
  }
  await ended;
  expect(session.destroyed).toBe(true);
});
