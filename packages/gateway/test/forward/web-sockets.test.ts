import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { AmeshError } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  ask,
  closingAfterEach,
  type Listening,
  type Stage,
  type StageOptions,
  serve,
  serveRaw,
  setStage,
  upstreamSettings,
} from "./stage.js";

const opened = closingAfterEach();

/** Echoes, tells each caller's headers first, and speaks compressed where that is wanted. */
const echo = () =>
  serve(
    (_, response) => response.writeHead(426).end("WebSocket alone"),
    (server) => {
      const sockets = new WebSocketServer({
        server,
        path: "/ws",
        perMessageDeflate: true,
        handleProtocols: () => "chat",
      });
      sockets.on("connection", (socket, request) => {
        socket.send(JSON.stringify(request.headers));
        socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
    },
  );

const stageBefore = async (upstream: Listening, more: Partial<StageOptions> = {}): Promise<Stage> => {
  opened(upstream);
  return opened(await setStage({ upstreams: [upstreamSettings([upstream.url])], ...more }));
};

async function speak(
  port: number,
  headers: Record<string, string> = {},
): Promise<{ socket: WebSocket; seen: Record<string, string> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ["chat"], { headers });
  const [first] = await once(socket, "message");
  return { socket, seen: JSON.parse(String(first)) };
}

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("a WebSocket", () => {
  it("goes through, with its extensions, and the upstream learns who called", async () => {
    const stage = await stageBefore(await echo());
    const { socket, seen } = await speak(stage.port, {
      "X-AuthMesh-Subject": "eve",
      Authorization: "AuthMesh x",
    });
    expect(seen).toMatchObject({ "x-authmesh-subject": "am_0123456789abcdef", upgrade: "websocket" });
    expect(seen["authorization"]).toBeUndefined();
    expect([socket.protocol, socket.extensions]).toEqual(["chat", "permessage-deflate"]);
    const large = "x".repeat(2_000_000);
    for (const text of ["hello", large]) {
      socket.send(text);
      expect(String((await once(socket, "message"))[0])).toBe(text);
    }
    expect(stage.forwarder.status()).toMatchObject({ webSockets: 1, upstreams: [{ pending: 0 }] });
    socket.close(1000);
    const [code] = await once(socket, "close");
    expect(code).toBe(1000);
    await until(() => stage.running.size === 0);
    expect(stage.forwarder.status().webSockets).toBe(0);
  });

  it("ends on both sides once its caller would not be let in any more, and nothing goes on", async () => {
    let lose = () => {};
    let unwatched = 0;
    const watch = (lost: (reason: AmeshError) => void) => {
      lose = () => lost(new AmeshError("device_revoked"));
      return () => {
        unwatched += 1;
      };
    };
    const upstream = await echo();
    const stage = await stageBefore(upstream, { admitted: { watch } });
    const { socket } = await speak(stage.port);
    lose();
    socket.send("too late");
    expect((await once(socket, "close"))[0]).toBe(1006);
    await until(() => stage.running.size === 0 && upstream.sockets.size === 0);
    expect(unwatched).toBe(2); // while the upstream thought about it, and since
    expect(stage.log.map(({ message }) => message)).toEqual(["a WebSocket was ended: device_revoked"]);
  });

  it("ends when the gateway stops, or the upstream does", async () => {
    const upstream = await echo();
    const stage = await stageBefore(upstream);
    const [first, second] = [await speak(stage.port), await speak(stage.port)];
    for (const one of upstream.sockets) {
      one.destroy();
      break;
    }
    await Promise.race([once(first.socket, "close"), once(second.socket, "close")]);
    await until(() => stage.forwarder.status().webSockets === 1);
    const rest = first.socket.readyState === WebSocket.OPEN ? first : second;
    await Promise.all([once(rest.socket, "close"), stage.forwarder.close()]);
    expect(upstream.sockets.size).toBe(0);
  });

  it("that is one too many is told so", async () => {
    const stage = await stageBefore(await echo(), { maxWebSockets: 1 });
    const { socket } = await speak(stage.port);
    const more = new WebSocket(`ws://127.0.0.1:${stage.port}/ws`);
    const [, answer] = await once(more, "unexpected-response");
    expect(answer.statusCode).toBe(503);
    socket.close();
    await until(() => stage.forwarder.status().webSockets === 0);
    (await speak(stage.port)).socket.close();
  });

  it("that the upstream does not want gets its answer", async () => {
    const stage = await stageBefore(
      await serve((_, response) => response.writeHead(404, { "X-Why": "none" }).end("no such room")),
    );
    const socket = new WebSocket(`ws://127.0.0.1:${stage.port}/ws`);
    const [, answer] = await once(socket, "unexpected-response");
    expect([answer.statusCode, answer.headers["x-why"]]).toEqual([404, "none"]);
    await until(() => stage.running.size === 0);
  });

  it("whose upstream is away, garbled, slow or gone is told so", async () => {
    const behaviours: readonly [(socket: Socket) => void, number][] = [
      [(socket) => socket.once("data", () => socket.end("nonsense\r\n\r\n")), 502],
      [(socket) => socket.once("data", () => socket.destroy()), 502],
      [() => {}, 504],
    ];
    for (const [behave, status] of behaviours) {
      const stage = await stageBefore(await serveRaw(behave), { route: { answerTimeoutMs: 50 } });
      const socket = new WebSocket(`ws://127.0.0.1:${stage.port}/ws`);
      const [, answer] = await once(socket, "unexpected-response");
      expect(answer.statusCode).toBe(status);
      await until(() => stage.running.size === 0);
    }
  });

  const upgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  const switched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Room: 5\r\n\r\n";

  it("keeps what came with its head on either side, and half of it goes on when the other has ended", async () => {
    let heard = "";
    let upstreamEnds = () => {};
    const stage = await stageBefore(
      await serveRaw((socket) => {
        socket.once("data", () => socket.write(`${switched}first`));
        socket.on("data", (data) => {
          heard += data.toString("latin1");
        });
        socket.on("end", () => {
          socket.write("and still I speak");
          upstreamEnds = () => socket.end();
        });
        socket.allowHalfOpen = true;
      }),
    );
    const caller = connect({ port: stage.port, host: "127.0.0.1", allowHalfOpen: true });
    let answer = "";
    caller.on("data", (data) => {
      answer += data.toString("latin1");
    });
    caller.write(`${upgrade}early`);
    await until(() => heard.endsWith("early") && answer.endsWith("first"));
    expect(answer).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Room: 5\r\n\r\nfirst",
    );
    caller.end("last");
    await until(() => heard.endsWith("last") && answer.endsWith("and still I speak"));
    upstreamEnds();
    await once(caller, "close");
    await until(() => stage.running.size === 0);
  });

  it("flows no faster than it is taken, and ends where nothing is taken any more", async () => {
    const upstream = await serveRaw((socket) =>
      socket.once("data", () => {
        socket.write(switched);
        socket.pause();
      }),
    );
    const stage = await stageBefore(upstream, { route: { idleTimeoutMs: 500 } });
    const caller = connect(stage.port, "127.0.0.1");
    caller.on("error", () => {});
    caller.write(upgrade);
    await once(caller, "data");
    for (let i = 0; i < 1000; i++) caller.write(Buffer.alloc(65_536));
    let most = 0;
    const ended = new Promise((resolve) => caller.once("close", resolve));
    const measured = setInterval(() => {
      most = Math.max(most, caller.bytesWritten - caller.writableLength);
    }, 5);
    await ended;
    clearInterval(measured);
    expect(most).toBeLessThan(30_000_000);
    await until(() => stage.running.size === 0);
  });

  it("leaves the connections of other requests alone", async () => {
    const upstream = await echo();
    const stage = await stageBefore(upstream, {
      upstreams: [upstreamSettings([upstream.url], { maxConnections: 1 })],
    });
    const { socket } = await speak(stage.port);
    expect((await ask(stage.port)).status).toBe(426);
    socket.terminate();
  });
});
