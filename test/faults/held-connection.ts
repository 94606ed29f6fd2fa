import type { TLSSocket } from "node:tls";
import { audience } from "./launches.js";
import { secureConnection } from "./secure-connection.js";

const everyMs = 250;

/** A connection over which somebody asks again and again, and which nobody has a reason to cut. */
export class HeldConnection {
  readonly #socket: TLSSocket;
  readonly #timer: NodeJS.Timeout;
  #answers = 0;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setEncoding("latin1").on("data", (text) => {
      this.#answers += String(text).split("HTTP/1.1 ").length - 1;
    });
    socket.on("error", () => {}); // `close` follows
    this.#timer = setInterval(
      () => socket.write(`GET /device/held HTTP/1.1\r\nHost: ${audience}\r\n\r\n`),
      everyMs,
    );
  }

  static async open(url: string, ca: string): Promise<HeldConnection> {
    return new HeldConnection(await secureConnection(url, ca));
  }

  /** @throws Error where it was cut, or never answered */
  close(): void {
    clearInterval(this.#timer);
    const held = !this.#socket.destroyed && this.#socket.writable && this.#answers > 0;
    this.#socket.destroy();
    if (!held) throw new Error("A connection was cut that had nothing to do with it.");
  }
}
