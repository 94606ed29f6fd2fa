import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface Frame {
  readonly fin?: boolean;
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  readonly masked?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  /** What the header claims; default: the payload's. */
  readonly length?: number;
}

/** The bytes of a WebSocket frame (RFC 6455, section 5.2), right or wrong. The mask is all zeros. */
export function encodeFrame({ fin = true, opcode, masked = true, reserved = 0, ...rest }: Frame): Buffer {
  const payload = Buffer.from(rest.payload ?? "");
  const length = rest.length ?? payload.length;
  const header = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  if (length < 126) header.push(mask | length);
  else if (length < 65_536) header.push(mask | 126, length >> 8, length & 255);
  else header.push(mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 255));
  return Buffer.concat([Buffer.from(header), Buffer.alloc(masked ? 4 : 0), payload]);
}

/** A WebSocket client that does only what it is told: no pong, no closing frame, no masking unless asked. */
export class RawSocket {
  readonly stream: Socket;
  #received: Buffer = Buffer.alloc(0);

  private constructor(stream: Socket) {
    this.stream = stream;
    stream.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    stream.on("error", () => {});
    onTestFinished(() => void stream.destroy());
  }

  /** A bare connection. */
  static async connect(port: number): Promise<RawSocket> {
    const raw = new RawSocket(connect({ port, host: "127.0.0.1", noDelay: true }));
    await once(raw.stream, "connect");
    return raw;
  }

  /** One that shook hands as a WebSocket. */
  static async open(port: number): Promise<RawSocket> {
    const raw = await RawSocket.connect(port);
    raw.stream.write(
      "GET /ws HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n",
    );
    await raw.head();
    return raw;
  }

  /** Waits for the head of an answer, and takes it out of what was received. */
  async head(): Promise<string> {
    while (this.#received.indexOf("\r\n\r\n") < 0) await once(this.stream, "data");
    const end = this.#received.indexOf("\r\n\r\n");
    const head = this.#received.subarray(0, end).toString("latin1");
    this.#received = this.#received.subarray(end + 4);
    return head;
  }

  send(...frames: readonly Frame[]): void {
    this.stream.write(Buffer.concat(frames.map(encodeFrame)));
  }

  /** Sends the same frames again and again, as fast as they are taken, until so many bytes are out or the socket is gone. */
  async pour(frames: readonly Frame[], bytes: number): Promise<void> {
    const once = Buffer.concat(frames.map(encodeFrame));
    const batch = Buffer.concat(Array<Buffer>(Math.ceil(16_384 / once.length)).fill(once));
    for (let sent = 0; sent < bytes && !this.stream.destroyed; sent += batch.length) {
      await new Promise((resolve) => this.stream.write(batch, resolve));
    }
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  /** The frames that came whole so far; the relay's are unmasked and, here, short of 64 KiB. */
  get frames(): { opcode: number; payload: Buffer }[] {
    const frames = [];
    for (let rest = this.#received; rest.length >= 2; ) {
      const short = (rest[1] as number) & 127;
      const header = short === 126 ? 4 : 2;
      const length = short === 126 ? rest.readUInt16BE(2) : short;
      if (rest.length < header + length) break;
      frames.push({ opcode: (rest[0] as number) & 15, payload: rest.subarray(header, header + length) });
      rest = rest.subarray(header + length);
    }
    return frames;
  }

  /** Waits until a frame of this kind came. */
  async frame(opcode: number): Promise<Buffer> {
    for (;;) {
      const found = this.frames.find((frame) => frame.opcode === opcode);
      if (found) return found.payload;
      await once(this.stream, "data");
    }
  }

  async closed(): Promise<void> {
    if (!this.stream.closed) await once(this.stream, "close");
  }
}
