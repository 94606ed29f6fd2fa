import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests that one connection may send ahead of their answers. */
const most = 100;

export interface Http1Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * The requests of one connection of HTTP/1, served one after the other: none begins before the one before it is
 * answered, whatever the client sent ahead. So a connection that ends leaves nothing behind but its first request, and
 * one client has no more under way than it has connections.
 */
export class PipelinedRequests {
  readonly #socket: Socket;
  readonly #waiting: (() => void)[] = [];
  #present: Http1Exchange | undefined;
  /** Bytes of earlier answers. */
  #writtenBefore = 0;
  #isLast = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether something else than the request that is being read would take an answer for its own. */
  get owesAnswers(): boolean {
    if (this.#present === undefined) return false;
    const { request, response } = this.#present;
    const began = response.headersSent && this.#socket.bytesWritten > this.#writtenBefore;
    return this.#waiting.length > 0 || request.complete || began;
  }

  add(exchange: Http1Exchange, begin: (exchange: Http1Exchange) => void): void {
    const start = () => {
      this.#present = exchange;
      this.#writtenBefore = this.#socket.bytesWritten;
      exchange.response.once("close", () => this.#next());
      begin(exchange);
    };
    this.#inTurn(start);
  }

  /**
   * Node.js hands a connection over as soon as it has read the upgrade, also while earlier answers are still due, and from
   * then on serves it no more: neither its errors, nor those answers when it has room again.
   */
  handOver(begin: () => void): void {
    const socket = this.#socket;
    const drained = () => this.#present?.response.emit("drain");
    socket.on("error", letGo).on("drain", drained);
    this.#inTurn(() => {
      socket.off("drain", drained);
      begin();
    });
  }

  /** The connection ends with the present answer. */
  last(): void {
    this.#isLast = true;
    if (this.#present !== undefined) this.#present.response.shouldKeepAlive = false;
  }

  #inTurn(start: () => void): void {
    if (this.#present === undefined) start();
    else if (this.#waiting.length + 1 < most) this.#waiting.push(start);
    else this.#socket.destroy();
  }

  #next(): void {
    this.#present = undefined;
    // After the last answer of a connection nothing is begun: what was sent ahead of it could be anything.
    if (this.#isLast) this.#socket.destroySoon();
    else if (this.#socket.writable) this.#waiting.shift()?.();
  }
}

function letGo(this: Socket): void {
  this.destroy();
}
