import {
  type ClientMessage,
  type Failure,
  failure,
  formatClientMessage,
  maxFrameBytes,
  parseRelayMessage,
  type RelayMessage,
} from "@authmesh/core";
import { type RawData, WebSocket } from "ws";
import { closingFailure, httpFailure, notARelay, socketFailure } from "./relay-failures.js";

/** What comes from a relay. `closed` comes once and last, and says why. */
export type Arrival =
  | { readonly type: "open" }
  | Exclude<RelayMessage, { readonly type: "error" }>
  | { readonly type: "closed"; readonly failure: Failure };

/** A pairing needs eight. With the size of a frame this bounds what a relay can make us hold. */
const maxMessages = 16;

/** How long the other end may take over the closing handshake, in milliseconds. */
const closeTimeout = 2_000;

/** One socket to a relay (docs/protocol.md, section 6): messages out, arrivals in. */
export class RelayConnection {
  readonly #url: string;
  readonly #socket: WebSocket;
  readonly #deliver: (arrival: Arrival) => void;
  readonly #gone: Promise<void>;
  #received = 0;
  #ended = false;

  /** @param url as `relayUrl` gives it */
  constructor(url: string, deliver: (arrival: Arrival) => void) {
    this.#url = url;
    this.#deliver = deliver;
    const options = { perMessageDeflate: false, maxPayload: maxFrameBytes, maxFragments: 128, closeTimeout };
    const socket = new WebSocket(url, options);
    this.#socket = socket;
    this.#gone = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("open", () => deliver({ type: "open" }));
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("unexpected-response", (_, { statusCode = 0 }) => this.#end(httpFailure(url, statusCode)));
    socket.on("error", (error) => this.#end(socketFailure(url, error)));
    socket.on("close", (_, reason) => this.#end(closingFailure(url, reason.toString())));
  }

  /** Once the socket is closed, messages go nowhere. */
  send(message: ClientMessage): void {
    this.#socket.send(formatClientMessage(message));
  }

  /** Closes after everything sent has gone out. Settles when the socket is gone, within two seconds. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#socket.close();
    await this.#gone;
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    this.#received += 1;
    const message = isBinary ? failure("relay_protocol_error") : parseRelayMessage(data.toString());
    if (!("type" in message)) this.#end(notARelay(this.#url, "it sent what is not a message"));
    else if (this.#received > maxMessages) this.#end(notARelay(this.#url, "it does not stop sending"));
    else if (message.type === "error") this.#end(failure(message.code));
    else this.#deliver(message);
  }

  /** The first reason counts. */
  #end(reason: Failure): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deliver({ type: "closed", failure: reason });
    this.#socket.close();
  }
}
