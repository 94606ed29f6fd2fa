import type { Socket } from "node:net";
import type { ClientAddress } from "@authmesh/core";
import {
  type CarriedData,
  type ClientMessage,
  formatRelayMessage,
  type RelayChallenge,
  type RelayClosing,
  type RelayMessage,
  relayClosings,
  relayErrorCodes,
} from "@authmesh/core";
import type { WebSocket } from "ws";
import type { Peer } from "./peer.js";
import type { Session } from "./session-registry.js";

/** What a session begins with. */
export type Greeting = Extract<ClientMessage, { readonly type: "listen" | "connect" }>;

/** Where a socket is in its one session; `asking` while other instances are asked, `closing` until the peer confirms it. */
export type Phase = "greeting" | "challenged" | "asking" | "waiting" | "paired" | "closing" | "closed";

/** A greeting that waits until work is done (docs/protocol.md, section 6.8). */
export interface AskedWork {
  readonly greeting: Greeting;
  readonly challenge: RelayChallenge;
}

/** One device's socket. */
export class Connection implements Peer {
  readonly address: ClientAddress;
  phase: Phase = "greeting";
  session: Session<Peer> | undefined;
  /** While `challenged`. */
  asked: AskedWork | undefined;
  /** A ping is out and nothing came since. */
  awaitsPong = false;
  readonly #socket: WebSocket;
  readonly #stream: Socket;

  /** @param stream what the socket speaks over */
  constructor(socket: WebSocket, stream: Socket, address: ClientAddress) {
    this.#socket = socket;
    this.#stream = stream;
    this.address = address;
  }

  /** Whether anything is still said and heard. */
  get isOpen(): boolean {
    return this.phase !== "closing" && this.phase !== "closed";
  }

  /** Whether it is gone already: `ws` cuts who pings faster than it takes the answers. */
  get isCut(): boolean {
    return this.#stream.destroyed;
  }

  get network(): string {
    return this.address.network;
  }

  /** Of its whole life, framing and the opening request included. */
  get bytesReceived(): number {
    return this.#stream.bytesRead;
  }

  /** Sent by us and not yet taken by the network. */
  get bytesWaiting(): number {
    return this.#socket.bufferedAmount;
  }

  meet(): void {
    this.phase = "paired";
    this.send({ type: "peer_found" });
  }

  send(message: RelayMessage<CarriedData>): void {
    this.#socket.send(formatRelayMessage(message));
  }

  ping(): void {
    this.awaitsPong = true;
    this.#socket.ping();
  }

  /** Says why, as an `error` message too where the reason is one, and closes. The first reason counts. */
  close(reason: RelayClosing): void {
    if (!this.isOpen) return;
    this.phase = "closing";
    const code = relayErrorCodes.find((candidate) => candidate === reason);
    if (code !== undefined) this.send({ type: "error", code });
    this.#socket.close(relayClosings[reason], reason);
  }

  /** Ends the socket at once, for a peer that no closing frame would reach. */
  drop(): void {
    this.phase = "closed";
    this.#socket.terminate();
  }
}
