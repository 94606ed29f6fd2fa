import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { Hono } from "hono";
import { expect, it, onTestFinished } from "vitest";
import { addressBehind } from "../src/http/address-of.js";
import { createServer, listenOn } from "../src/http/listen-on.js";

it("counts a caller by what its proxy says last, however many lines the caller put before", async () => {
  const app = new Hono().get("/", (context) => context.text(addressBehind(1)(context)));
  const server = createServer(app, undefined);
  onTestFinished(() => void server.close());
  const { port } = await listenOn(server, "127.0.0.1", 0);
  const seen = async (lines: number) => {
    const socket = connect(port, "127.0.0.1");
    const head = ["GET / HTTP/1.1", "Host: a", "Connection: close", "X-Forwarded-For: 192.0.2.66"];
    const rest = [...Array<string>(lines).fill("a:"), "X-Forwarded-For: 198.51.100.7", "", ""];
    socket.write([...head, ...rest].join("\r\n"));
    return (await text(socket)).split("\r\n\r\n")[1];
  };
  expect(await seen(0)).toBe("198.51.100.7");
  expect(await seen(1_100)).toBe("198.51.100.7");
});
