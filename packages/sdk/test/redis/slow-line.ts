import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A line to a server that holds every answer back for a while, and may lead to another server from now on. */
export class SlowLine {
  delayMs = 0;
  port = 0;
  #target: number;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#target = target;
  }

  /** @param ended is given what closes it: `onTestFinished` */
  static async to(target: number, ended: (stop: () => Promise<void>) => void): Promise<SlowLine> {
    const line = new SlowLine(target);
    const server = createServer((socket) => line.#carry(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    line.port = (server.address() as AddressInfo).port;
    ended(async () => {
      line.cut();
      server.close();
      await once(server, "close");
    });
    return line;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** As when a virtual address moves: connections end, and new ones come out somewhere else. */
  leadTo(target: number): void {
    this.#target = target;
    this.cut();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(near: Socket): void {
    const far = connect(this.#target, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      if (this.delayMs === 0) near.write(chunk);
      else setTimeout(() => near.write(chunk), this.delayMs);
    });
  }
}
