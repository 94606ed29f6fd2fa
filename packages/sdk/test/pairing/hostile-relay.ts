import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  type ClientMessage,
  formatRelayMessage,
  fromBase64,
  parseClientMessage,
  type RelayMessage,
} from "@authmesh/core";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

export type SideName = "target" | "controller";

/** A frame of the handshake on its way. */
export interface Frame {
  readonly from: SideName;
  readonly to: SideName;
  /** Counted for each sender. */
  readonly index: number;
  readonly payload: Uint8Array;
}

/** A relay that does what it likes with the frames. */
export interface HostileRelay {
  readonly url: string;
  say(to: SideName, message: RelayMessage): void;
  pass(to: SideName, payload: Uint8Array): void;
  /** Cuts both connections without a word. */
  die(): void;
}

/** Every frame of a handshake, in order. */
export const places = [
  { from: "controller", index: 0, name: "commitment" },
  { from: "target", index: 0, name: "target's share" },
  { from: "controller", index: 1, name: "controller's share" },
  { from: "controller", index: 2, name: "controller's identity" },
  { from: "target", index: 1, name: "target's identity" },
  { from: "target", index: 2, name: "verdict" },
  { from: "controller", index: 3, name: "acknowledgement" },
] as const;

export type Place = Pick<Frame, "from" | "index">;

export const isAt = (frame: Place, place: Place): boolean =>
  frame.from === place.from && frame.index === place.index;

/**
 * Starts one that brings any two together.
 *
 * @param carry called for each frame; nothing is delivered but what it passes on
 * @param greet called for `listen` and `connect`; false keeps the relay from answering
 */
export async function startHostileRelay(
  carry: (frame: Frame, relay: HostileRelay) => unknown = ({ to, payload }, relay) => relay.pass(to, payload),
  greet: (message: ClientMessage, relay: HostileRelay) => boolean = () => true,
): Promise<HostileRelay> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/ws" });
  await once(server, "listening");
  let carrying: unknown;
  const sockets: Partial<Record<SideName, WebSocket>> = {};
  const relay: HostileRelay = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    say: (to, message) => sockets[to]?.send(formatRelayMessage(message)),
    pass: (to, payload) => relay.say(to, { type: "data", payload }),
    die() {
      for (const socket of server.clients) socket.terminate();
    },
  };
  onTestFinished(() => {
    relay.die();
    server.close();
  });
  const greetings: Partial<Record<ClientMessage["type"], (socket: WebSocket) => void>> = {
    listen(socket) {
      sockets.target = socket;
      relay.say("target", { type: "listening", expiresIn: 60 });
    },
    connect(socket) {
      sockets.controller = socket;
      for (const side of ["target", "controller"] as const) relay.say(side, { type: "peer_found" });
    },
  };
  server.on("connection", (socket) => {
    let sent = 0;
    socket.on("error", () => {});
    socket.on("message", (data) => {
      const message = parseClientMessage(data.toString());
      if (!("type" in message)) return;
      const from = socket === sockets.target ? "target" : "controller";
      const to = from === "target" ? "controller" : "target";
      if (message.type === "data") {
        carrying = carry(
          { from, to, index: sent++, payload: fromBase64(message.payload) as Uint8Array },
          relay,
        );
      } else if (message.type !== "done" && greet(message, relay)) greetings[message.type]?.(socket);
    });
    // As the real one does, so that no side waits for a peer that is gone.
    socket.on("close", async () => {
      await carrying;
      for (const other of server.clients) other.close(4001, "peer_left");
    });
  });
  return relay;
}
