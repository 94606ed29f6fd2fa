/** The attacker's place on the network: a TCP proxy that records what callers send, and can keep it to itself. */
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Wire {
  /** @type {Buffer[]} */ requests = [];
  /** Whether requests reach the server, or only the recording. */
  forwards = true;
  /** The port of the server behind it. */
  leadsTo = 0;
  #server;

  constructor() {
    this.#server = createServer((caller) => {
      const chunks = [];
      const server = this.forwards ? connect(this.leadsTo, "127.0.0.1") : undefined;
      server?.on("data", (chunk) => caller.write(chunk));
      server?.on("error", () => caller.destroy());
      caller.on("error", () => server?.destroy());
      caller.on("close", () => server?.destroy());
      caller.on("data", (chunk) => {
        chunks.push(chunk);
        server?.write(chunk);
        const whole = Buffer.concat(chunks);
        if (!isComplete(whole)) return;
        this.requests.push(whole);
        chunks.length = 0;
        if (server === undefined)
          caller.end("HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      });
    });
  }

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.host = `127.0.0.1:${this.#server.address().port}`;
    return this.host;
  }

  close() {
    this.#server.close();
  }
}

function isComplete(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = Number(/content-length: *(\d+)/i.exec(bytes.toString("latin1", 0, end))?.[1] ?? 0);
  return bytes.length >= end + 4 + length;
}

/** Sends bytes to a server as they are. @param {number} port @param {Buffer | string} bytes */
export async function play(port, bytes) {
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(10_000, () => socket.destroy());
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
    const [head, body = ""] = answer.split("\r\n\r\n");
    const length = /content-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined && body.length >= Number(length)) socket.destroy();
  });
  socket.write(bytes);
  await once(socket, "close");
  const [head, body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.slice(9, 12)), decision: /authmesh-decision: (\S+)/i.exec(head)?.[1], body };
}
