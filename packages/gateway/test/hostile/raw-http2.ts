import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";

/** Types of frames (RFC 9113, section 6). */
export const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 };
export const flags = { endStream: 1, ack: 1, endHeaders: 4 };

export type Fields = readonly (readonly [name: string, value: string])[];

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** A frame. @param payload bytes, or latin1 text */
export function frame(type: number, flag: number, stream: number, payload: Buffer | string = ""): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flag, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

/** Each field as a literal that enters no table and is not compressed (RFC 7541, section 6.2.2). */
export const fieldBlock = (fields: Fields): Buffer =>
  Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([length(bytes.length), bytes]);
}

/** An integer behind a prefix of seven bits (RFC 7541, section 5.1). */
function length(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

/** What became of the first stream: its status, or that it, or all of the connection, was ended instead. */
export type Outcome = number | "reset" | "goaway" | "closed";

/** One connection of HTTP/2 whose frames are what the test likes. */
export class RawHttp2 {
  readonly socket: TLSSocket;
  #bytes = Buffer.alloc(0);
  #settle: (outcome: Outcome) => void = () => {};
  readonly outcome: Promise<Outcome>;
  /** Whether the gateway gave the connection up. */
  over = false;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.once("close", () => this.#end("closed"));
  }

  static async open(port: number): Promise<RawHttp2> {
    const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] };
    const socket = connect(options);
    const session = new RawHttp2(socket);
    await once(socket, "secureConnect");
    // No table that answers could refer to.
    const settings = frame(frameTypes.settings, 0, 0, Buffer.of(0, 1, 0, 0, 0, 0));
    socket.write(Buffer.concat([Buffer.from(preface), settings]));
    return session;
  }

  /** Resolves once the bytes are on their way, or nobody takes them any more. */
  send(...frames: readonly Buffer[]): Promise<void> {
    return new Promise((resolve) => {
      if (!this.socket.writable) resolve();
      else this.socket.write(Buffer.concat(frames), () => resolve());
    });
  }

  destroy(): void {
    this.socket.destroy();
  }

  #end(outcome: Outcome): void {
    this.over = true;
    this.#settle(outcome);
  }

  #read(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 9) {
      const size = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + size) return;
      const [type, stream] = [this.#bytes.readUInt8(3), this.#bytes.readUInt32BE(5)];
      const payload = this.#bytes.subarray(9, 9 + size);
      this.#bytes = this.#bytes.subarray(9 + size);
      if (type === frameTypes.goaway) this.#end("goaway");
      if (type === frameTypes.reset) this.#settle("reset");
      if (type === frameTypes.headers && stream === 1) this.#settle(statusOf(payload));
    }
  }
}

/** Digits in the Huffman code of HPACK (RFC 7541, appendix B). */
const digits = new Map(
  ["00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111"].map(
    (code, digit) => [code, digit] as const,
  ),
);
const indexed = new Map([200, 204, 206, 304, 400, 404, 500].map((status, i) => [0x88 + i, status] as const));

/** `:status` comes first, behind what changes the size of the table. */
function statusOf(block: Buffer): number {
  const at = block.findIndex((byte) => byte >> 5 !== 1);
  const known = indexed.get(block[at] ?? 0);
  if (known !== undefined) return known;
  const size = block[at + 1] ?? 0;
  const value = block.subarray(at + 2, at + 2 + (size & 127));
  if (size < 128) return Number(value.toString("latin1"));
  let [status, code] = [0, ""];
  for (const bit of [...value].map((byte) => byte.toString(2).padStart(8, "0")).join("")) {
    code += bit;
    const digit = digits.get(code);
    if (digit === undefined) continue;
    status = 10 * status + digit;
    code = "";
  }
  return status;
}
