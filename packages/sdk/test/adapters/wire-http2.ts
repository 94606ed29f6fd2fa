/**
 * Just enough of HTTP/2 (RFC 9113) and HPACK (RFC 7541) to send what a client library refuses to: literal header
 * fields, in any order and number, without Huffman coding.
 */
import { closed, loopback, type Transport, type WireBody } from "./wire.js";

const frames = { data: 0, headers: 1, reset: 3, settings: 4, goAway: 7, windowUpdate: 8 } as const;
const flags = { endStream: 1, acknowledged: 1, endHeaders: 4 } as const;
const stream = 1;

export const http2: Transport = async (host, { method, target, hosts, headers, body }) => {
  const [authority, ...others] = hosts;
  const fields: (readonly [string, string])[] = [
    [":method", method],
    [":scheme", "http"],
    [":path", target],
    ...(authority === undefined ? [] : [[":authority", authority] as const]),
    ...others.map((value) => ["host", value] as const),
    ...headers.map(([name, value]) => [name.toLowerCase(), value] as const),
    ...(body?.length === undefined ? [] : [["content-length", String(body.length)] as const]),
  ];
  const socket = loopback(host);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(frames.settings, 0, 0));
  const bodyless = body === undefined || (body.length === 0 && body.ending === "end");
  const block = Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]),
  );
  socket.write(frame(frames.headers, flags.endHeaders | (bodyless ? flags.endStream : 0), stream, block));

  let status = 0;
  const content: Buffer[] = [];
  const window = new SendWindow();
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const length = received.readUIntBE(0, 3);
      const [type, set, id] = [received.readUInt8(3), received.readUInt8(4), received.readUInt32BE(5)];
      const payload = received.subarray(9, 9 + length);
      received = received.subarray(9 + length);
      if (type === frames.settings && !(set & flags.acknowledged) && socket.writable)
        socket.write(frame(frames.settings, flags.acknowledged, 0));
      if (type === frames.windowUpdate) window.grow(id, payload.readUInt32BE(0));
      if (type === frames.headers && (status === 0 || status < 200)) status = statusOf(payload);
      if (type === frames.data) content.push(payload);
      const carriesEnd = type === frames.headers || type === frames.data;
      const over = type === frames.reset || type === frames.goAway || (carriesEnd && set & flags.endStream);
      if (over) socket.end();
    }
  });
  const done = closed(socket);
  if (body !== undefined && !bodyless) {
    for (const each of dataFrames(body)) {
      await Promise.race([window.take(each.length - 9), done]);
      if (socket.writableEnded) break;
      socket.write(each);
    }
    if (body.ending === "break") {
      const cancel = Buffer.of(0, 0, 0, 8);
      socket.end(frame(frames.reset, 0, stream, cancel));
    }
  }
  await done;
  return { status, body: Buffer.concat(content).toString("latin1") };
};

const mostBytesInFrame = 16_384;

function dataFrames({ pieces, ending }: WireBody): Buffer[] {
  const parts = pieces.flatMap((piece) =>
    Array.from({ length: Math.ceil(piece.length / mostBytesInFrame) }, (_, i) =>
      frame(frames.data, 0, stream, piece.subarray(i * mostBytesInFrame, (i + 1) * mostBytesInFrame)),
    ),
  );
  return ending === "end" ? [...parts, frame(frames.data, flags.endStream, stream)] : parts;
}

function frame(type: number, set: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(set, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** A string literal (RFC 7541, section 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The static table's entries of `:status`, and the Huffman codes of digits (RFC 7541, appendices A and B). */
const indexedStatus = [200, 204, 206, 304, 400, 404, 500];
const digits = [
  "00000",
  "00001",
  "00010",
  "011001",
  "011010",
  "011011",
  "011100",
  "011101",
  "011110",
  "011111",
];

/** `:status` comes first in every answer. */
function statusOf(block: Buffer): number {
  const first = block.readUInt8(0);
  if (first & 0x80) return indexedStatus[(first & 0x7f) - 8] ?? Number.NaN;
  const length = block.readUInt8(1);
  const value = block.subarray(2, 2 + (length & 0x7f));
  if (!(length & 0x80)) return Number(value.toString("latin1"));
  let bits = [...value].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let text = "";
  while (text.length < 3) {
    const digit = digits.findIndex((code) => bits.startsWith(code));
    if (digit < 0) return Number.NaN;
    text += digit;
    bits = bits.slice((digits[digit] as string).length);
  }
  return Number(text);
}

/** How much may be sent, on the connection (0) and on the one stream. */
class SendWindow {
  readonly #open = [65_535, 65_535];
  #wake: () => void = () => {};

  grow(id: number, bytes: number): void {
    this.#open[id] = (this.#open[id] ?? 0) + bytes;
    this.#wake();
  }

  async take(bytes: number): Promise<void> {
    while (this.#open.some((open) => open < bytes)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    for (const id of [0, stream]) this.#open[id] = (this.#open[id] as number) - bytes;
  }
}
