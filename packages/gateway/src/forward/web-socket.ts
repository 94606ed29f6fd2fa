import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { unreferencedTimer } from "@authmesh/oath/timing";
import { answerHeaders } from "./answer-headers.js";

const keepAliveMs = 60_000;
/** How long what was written before the end may take to be read. */
const lastWordsMs = 2_000;

const tunnelKey = Symbol("tunnel");
const patienceKey = Symbol("patience");
type Tunnelled = Duplex & {
  [tunnelKey]?: Tunnel;
  /** Ends the wait for a side that does not read. */
  [patienceKey]?: () => void;
};

/**
 * Bytes both ways between a caller and an upstream. Thousands of them stand idle, so that all share their listeners, and
 * nothing has a timer.
 */
export class Tunnel {
  readonly #caller: Tunnelled;
  readonly #upstream: Tunnelled;
  readonly #stallMs: number;
  readonly #over: () => void;

  /**
   * @param stallMs how long one side may leave unread what the other one sends; 0: for ever
   * @param over called once, when the connection has ended on one side
   */
  constructor(caller: Duplex, upstream: Duplex, stallMs: number, over: () => void) {
    this.#caller = caller;
    this.#upstream = upstream;
    this.#stallMs = stallMs;
    this.#over = over;
    upstream.allowHalfOpen = true;
    for (const socket of [caller, upstream] as const) this.#join(socket);
  }

  /** Nothing that arrives from now on is passed on. */
  destroy(): void {
    this.#caller.destroy();
    this.#upstream.destroy();
  }

  other(socket: Duplex): Duplex {
    return socket === this.#caller ? this.#upstream : this.#caller;
  }

  /** While one side does not read, nobody would notice that the other one has gone. */
  stall(from: Duplex): void {
    from.pause();
    const other: Tunnelled = this.other(from);
    if (this.#stallMs > 0) other[patienceKey] ??= unreferencedTimer(() => this.destroy(), this.#stallMs);
  }

  closed(socket: Tunnelled): void {
    delete socket[tunnelKey];
    socket[patienceKey]?.();
    const other: Tunnelled = this.other(socket);
    if (other[tunnelKey] === undefined) return;
    if (socket.errored) other.destroy();
    else other.end(() => other.destroy());
    if (!other.destroyed) unreferencedTimer(() => other.destroy(), lastWordsMs);
    this.#over();
  }

  #join(socket: Tunnelled): void {
    socket[tunnelKey] = this;
    // So that a peer that is gone without a word is noticed.
    if (socket instanceof Socket) socket.setKeepAlive(true, keepAliveMs).setNoDelay(true);
    socket.on("data", onData).on("drain", onDrain).on("end", onEnd).on("close", onClose).on("error", onError);
  }
}

function onData(this: Tunnelled, chunk: Buffer): void {
  const tunnel = this[tunnelKey];
  if (tunnel?.other(this).write(chunk) === false) tunnel.stall(this);
}

function onDrain(this: Tunnelled): void {
  this[patienceKey]?.();
  delete this[patienceKey];
  this[tunnelKey]?.other(this).resume();
}

function onEnd(this: Tunnelled): void {
  this[tunnelKey]?.other(this).end();
}

function onClose(this: Tunnelled): void {
  this[tunnelKey]?.closed(this);
}

function onError(this: Duplex): void {
  this.destroy();
}

/** A response on a connection that Node.js took for upgraded; nothing follows it. */
export function responseOn(socket: Duplex, method: string): ServerResponse {
  const request = new IncomingMessage(socket as Socket);
  Object.assign(request, {
    method,
    httpVersion: "1.1",
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true,
  });
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.once("finish", () => socket.end(() => socket.destroy()));
  socket.on("error", onError);
  return response;
}

/** The head of the answer that switches to WebSocket (RFC 6455, section 4.2.2). */
export function switchingHead(raw: readonly Buffer[]): string {
  const { headers } = answerHeaders(raw, 101);
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
