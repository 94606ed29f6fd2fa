import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type StrictAnswer, takeAnswer } from "./strict-http1.js";

/** Bytes, as latin1 text. Several pieces are several writes, each one on its way before the next. */
export type Pieces = string | readonly string[];

/** One connection of a caller who writes what it likes, and reads answers strictly. */
export class RawClient {
  readonly socket: Socket;
  #unread = "";
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#unread += bytes.toString("latin1");
    });
    socket.once("close", () => {
      this.#ended = true;
    });
  }

  static async open(port: number, { tls = false } = {}): Promise<RawClient> {
    const options = { port, host: "127.0.0.1" };
    const socket = tls
      ? connectTls({ ...options, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
      : connect(options);
    const client = new RawClient(socket);
    await once(socket, tls ? "secureConnect" : "connect");
    return client;
  }

  async send(pieces: Pieces): Promise<this> {
    // Who is refused early has nobody to write to.
    for (const piece of typeof pieces === "string" ? [pieces] : pieces)
      await new Promise<void>((resolve) => this.socket.write(piece, "latin1", () => resolve()));
    return this;
  }

  /**
   * The next answer, less those that only announce it.
   *
   * @param method of the request that it is for
   * @throws Error where the connection ends before it is whole, or it reads in more than one way
   */
  async answer(method = "GET"): Promise<StrictAnswer> {
    for (;;) {
      const ended = this.#ended;
      const taken = takeAnswer(this.#unread, method, ended);
      if (taken !== undefined) {
        this.#unread = taken.rest;
        if (taken.message.status >= 200) return taken.message;
        continue;
      }
      if (ended) throw new Error(`the connection ended within an answer: ${JSON.stringify(this.#unread)}`);
      await this.#more();
    }
  }

  /** Every answer until the gateway ends the connection. @throws Error where something is left over */
  async answers(method = "GET"): Promise<readonly StrictAnswer[]> {
    while (!this.#ended) await this.#more();
    const all: StrictAnswer[] = [];
    while (this.#unread !== "") all.push(await this.answer(method));
    return all;
  }

  /** What came and no answer took. */
  get unread(): string {
    return this.#unread;
  }

  async closed(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.socket.off("data", done).off("close", done);
        resolve();
      };
      this.socket.on("data", done).on("close", done);
    });
  }
}
