/**
 * One device's socket at a relay, as cheap as it can be made: whoever loads a relay has no more of a processor than the
 * relay. Its frames are masked with zeros, which RFC 6455 allows, and so are ready as they stand.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const opening = `GET /ws HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`;
const opcodes = { text: 1, close: 8, ping: 9, pong: 10 };

let opened = 0;

/** Each of the next 65,536 comes from an address of its own, as devices do. */
function nextAddress(): string {
  const i = opened++ & 0xffff;
  return `127.42.${i >> 8}.${i & 255}`;
}

export class RelaySide {
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  readonly #heard: string[] = [];
  #hear: (() => void) | undefined;
  #isOver = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#read(bytes));
    const end = () => {
      this.#isOver = true;
      this.#hear?.();
    };
    socket.on("error", end).on("close", end);
  }

  static async open(port: number): Promise<RelaySide> {
    const socket = connect({ port, host: "127.0.0.1", localAddress: nextAddress(), noDelay: true });
    socket.write(opening);
    const [answer] = (await once(socket, "data")) as [Buffer];
    if (!answer.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(answer.toString());
    return new RelaySide(socket);
  }

  get isOpen(): boolean {
    return !this.#isOver;
  }

  /** @param text ASCII, of less than 65,536 characters */
  say(text: string): void {
    this.#send(opcodes.text, Buffer.from(text, "latin1"));
  }

  /** The next message. @throws Error unless it is of this type */
  async hear(type: string): Promise<void> {
    while (this.#heard.length === 0) {
      if (this.#isOver) throw new Error(`The relay is gone, and ${type} did not come.`);
      await new Promise<void>((resolve) => {
        this.#hear = resolve;
      });
    }
    const message = this.#heard.shift() ?? "";
    if (!message.startsWith(`{"type":"${type}"`)) throw new Error(`${type} was due, and not ${message}`);
  }

  /** Once the relay has closed it. */
  async ended(): Promise<void> {
    if (!this.#socket.destroyed) await once(this.#socket, "close");
  }

  drop(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    for (let frame = frameIn(unread); frame !== undefined; frame = frameIn(unread)) {
      const { opcode, payload, rest } = frame;
      unread = rest;
      if (opcode === opcodes.ping) this.#send(opcodes.pong, payload);
      else if (opcode === opcodes.close) this.#socket.end(masked(opcode, payload));
      else this.#heard.push(payload.toString("latin1"));
    }
    this.#unread = unread;
    this.#hear?.();
  }

  #send(opcode: number, payload: Buffer): void {
    this.#socket.write(masked(opcode, payload));
  }
}

function masked(opcode: number, payload: Buffer): Buffer {
  const isLong = payload.length > 125;
  const head = Buffer.alloc(isLong ? 8 : 6);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (isLong ? 126 : payload.length);
  if (isLong) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** The first whole frame, if there is one. */
function frameIn(bytes: Buffer) {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const start = second === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const end = start + (second === 126 ? bytes.readUInt16BE(2) : second);
  if (bytes.length < end) return undefined;
  return { opcode: first & 0x0f, payload: bytes.subarray(start, end), rest: bytes.subarray(end) };
}
