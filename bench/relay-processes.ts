/** A relay in a process of its own (roles.ts), and the least that could stand in its place. */
import { openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { runRelay } from "@authmesh/relay";
import { type WebSocket, WebSocketServer } from "ws";
import { listening, play } from "./roles.js";

/** Room for all whom one machine can play; each address has no more than its usual share. */
const roomy = ["relay.openings=600000", "relay.listens=600000", "relay.sessions=50000"];

await play({
  /** `amesh relay`. Its log is written, but not kept. */
  relay: () =>
    new Promise((resolve) => {
      const log = openSync("/dev/null", "a");
      const limits = roomy.flatMap((limit) => ["--limit", limit]);
      void runRelay(["--host", "127.0.0.1", "--port", "0", "--json", ...limits], {
        stdout: { write: (line) => resolve((JSON.parse(line) as { port: number }).port) },
        stderr: { write: (line) => writeSync(log, line) },
      }).then((status) => process.exit(status));
    }),
  /** Hands on between two that name one code, and checks, bounds, counts and logs nothing. */
  async "bare ws"() {
    const server = createServer();
    const waiting = new Map<string, WebSocket>();
    const peers = new WeakMap<WebSocket, WebSocket>();
    const says = {
      listen(socket: WebSocket, { otc }: { otc: string }) {
        waiting.set(otc, socket);
        socket.send('{"type":"listening","expiresIn":60}');
      },
      connect(socket: WebSocket, { otc }: { otc: string }) {
        const peer = waiting.get(otc);
        if (peer === undefined) return socket.close();
        waiting.delete(otc);
        peers.set(socket, peer).set(peer, socket);
        for (const side of [socket, peer]) side.send('{"type":"peer_found"}');
      },
      data: (socket: WebSocket, _: unknown, text: string) => peers.get(socket)?.send(text),
      done(socket: WebSocket, _: unknown, text: string) {
        peers.get(socket)?.send(text);
        peers.get(socket)?.close(1000);
        socket.close(1000);
      },
    };
    new WebSocketServer({ server, path: "/ws", perMessageDeflate: false }).on("connection", (socket) =>
      socket.on("message", (bytes) => {
        const text = bytes.toString();
        const message = JSON.parse(text) as { type: keyof typeof says; otc: string };
        says[message.type](socket, message, text);
      }),
    );
    return listening(server);
  },
});
