import { setTimeout as pause } from "node:timers/promises";
import {
  type ClientMessage,
  drawPairingCode,
  formatClientMessage,
  parseRelayMessage,
  type RelayMessage,
  relayClosings,
} from "@authmesh/core";
import { WebSocket } from "ws";
import { callTimeoutMs } from "./invariants.js";
import type { Call } from "./record.js";
import type { Outcome } from "./send.js";

const everyMs = 500;
const word = new Uint8Array(32);

/** Pairs of machines that meet at a relay, one pair after the other, and say a word to each other. */
export class Pairings {
  readonly calls: Call[] = [];
  #isOver = false;
  readonly #running: Promise<void>;

  /** @param url of the relay: "http://127.0.0.1:3001" */
  constructor(url: string) {
    this.#running = this.#run(`${url.replace("http", "ws")}/ws`);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(url: string): Promise<void> {
    while (!this.#isOver) {
      const sentAt = Date.now();
      const outcome = await meet(url);
      const about = { target: "relay", purpose: "honest", proof: `pairing ${sentAt}`, caller: "" } as const;
      this.calls.push({ ...about, sentAt, endedAt: Date.now(), ...outcome });
      await pause(everyMs);
    }
  }
}

/** One machine shows a code, the other one enters it; the word that it says then is the end. */
function meet(url: string): Promise<Outcome> {
  const otc = drawPairingCode();
  const sockets: WebSocket[] = [];
  return new Promise<Outcome>((resolve) => {
    const open = (
      answers: Readonly<Partial<Record<RelayMessage["type"], () => void>>>,
      first: ClientMessage,
    ) => {
      const socket = new WebSocket(url, { handshakeTimeout: callTimeoutMs });
      sockets.push(socket);
      socket.on("open", () => socket.send(formatClientMessage(first)));
      socket.on("message", (data) => {
        const message = parseRelayMessage(data.toString());
        if ("type" in message) answers[message.type]?.();
      });
      socket.on("error", () => resolve({ status: 0 }));
      socket.on("close", (_, reason) => resolve(closedBy(reason.toString())));
      return socket;
    };
    const controllerMessages = { peer_found: () => sayWord() };
    const invite = () => void open(controllerMessages, { type: "connect", otc });
    const sayWord = () => sockets[1]?.send(formatClientMessage({ type: "data", payload: word }));
    open({ listening: invite, data: () => resolve({ status: 200 }) }, { type: "listen", otc });
    setTimeout(() => resolve({ status: 0 }), callTimeoutMs).unref();
  }).finally(() => {
    for (const socket of sockets) socket.terminate();
  });
}

const closedBy = (reason: string): Outcome =>
  Object.hasOwn(relayClosings, reason) ? { status: 503, code: reason } : { status: 0 };
