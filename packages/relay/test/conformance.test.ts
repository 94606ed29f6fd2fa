import { maxFrameBytes } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device } from "./device.js";
import { encodeFrame, type Frame, RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

/** RFC 6455 as a peer meets it who does each thing it forbids, and each that it allows and few do. */

const [continuation, text, binary, close, ping, pong] = [0, 1, 2, 8, 9, 10] as const;
const listen = '{"type":"listen","otc":"482916"}';
const beginning: Frame = { opcode: text, fin: false, payload: listen.slice(0, 9) };
const ending: Frame = { opcode: continuation, payload: listen.slice(9) };

/** A closing frame's payload. */
const closing = (status: number, reason: string | Uint8Array = "") =>
  Buffer.concat([Buffer.of(status >> 8, status & 255), Buffer.from(reason)]);

/** A text frame with its length in eight bytes, and nothing of its payload. */
const claiming = (length: bigint) => {
  const header = Buffer.alloc(14);
  header.set([0x81, 0xff]);
  header.writeBigUInt64BE(length, 2);
  return header;
};

type Sent = readonly Frame[] | Buffer;

/** A socket of a relay that was sent this. */
async function sending(sent: Sent): Promise<RawSocket & { url: string }> {
  const { port, url } = await startRelay();
  const raw = await RawSocket.open(port);
  if (Buffer.isBuffer(sent)) raw.stream.write(sent);
  else raw.send(...sent);
  return Object.assign(raw, { url });
}

/** Whatever one peer did, the next one is served. */
async function expectAlive(url: string): Promise<void> {
  const device = await Device.open(url);
  expect(await device.ask({ type: "listen", otc: "999999" })).toMatchObject({ type: "listening" });
}

async function expectRefused(sent: Sent, code: string, status: number): Promise<void> {
  const raw = await sending(sent);
  const last = await raw.frame(close);
  expect(raw.frames.map(({ opcode }) => opcode)).toEqual([text, close]);
  expect(raw.frames[0]?.payload.toString()).toBe(JSON.stringify({ type: "error", code }));
  expect(last).toEqual(closing(status, code));
  await expectAlive(raw.url);
}

const invalidUtf8: readonly [string, Uint8Array][] = [
  ["a byte that never occurs", Buffer.of(0xff)],
  ["a continuation byte alone", Buffer.of(0x80)],
  ["a character cut short", Buffer.of(0xe2, 0x82)],
  ["an overlong solidus", Buffer.of(0xc0, 0xaf)],
  ["an overlong zero", Buffer.of(0xe0, 0x80, 0x80)],
  ["a surrogate", Buffer.of(0xed, 0xa0, 0x80)],
  ["more than U+10FFFF", Buffer.of(0xf4, 0x90, 0x80, 0x80)],
  ["five bytes", Buffer.of(0xf8, 0x88, 0x80, 0x80, 0x80)],
];

describe("a peer that breaks RFC 6455", () => {
  test.each<[string, Sent]>([
    ["an unmasked text", [{ opcode: text, payload: listen, masked: false }]],
    ["an unmasked ping", [{ opcode: ping, masked: false }]],
    ["an unmasked close", [{ opcode: close, payload: closing(1000), masked: false }]],
    ...[1, 2, 4, 7].map((reserved): [string, Sent] => [
      `reserved bits ${reserved} in a text`,
      [{ opcode: text, payload: listen, reserved }],
    ]),
    ["a reserved bit in a ping", [{ opcode: ping, reserved: 4 }]],
    ["a reserved bit in a continuation", [beginning, { ...ending, reserved: 4 }]],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Sent] => [
      `opcode ${opcode}`,
      [{ opcode }],
    ]),
    ["an unknown opcode among fragments", [beginning, { opcode: 5 }, ending]],
    ["a continuation of nothing", [ending]],
    ["a text among fragments", [beginning, { opcode: text, payload: listen }]],
    ["a binary among fragments", [beginning, { opcode: binary, payload: listen }]],
    ["a ping in fragments", [{ opcode: ping, fin: false }]],
    ["a pong in fragments", [{ opcode: pong, fin: false }]],
    ["a close in fragments", [{ opcode: close, fin: false, payload: closing(1000) }]],
    ["a ping of 126 bytes", [{ opcode: ping, payload: "x".repeat(126) }]],
    ["a pong of 65,536 bytes", [{ opcode: pong, payload: "x".repeat(65_536) }]],
    ["a close of 126 bytes", [{ opcode: close, payload: closing(1000, "x".repeat(124)) }]],
    ["a close of one byte", [{ opcode: close, payload: Buffer.of(3) }]],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
      (status): [string, Sent] => [
        `a close with status ${status}`,
        [{ opcode: close, payload: closing(status) }],
      ],
    ),
    ...invalidUtf8.map(([what, bytes]): [string, Sent] => [
      `a close for ${what}`,
      [{ opcode: close, payload: closing(1000, bytes) }],
    ]),
    ...invalidUtf8.map(([what, bytes]): [string, Sent] => [
      `a text with ${what}`,
      [{ opcode: text, payload: Buffer.concat([Buffer.from('{"type":"'), bytes, Buffer.from('"}')]) }],
    ]),
    ...invalidUtf8.map(([what, bytes]): [string, Sent] => [
      `a text in pieces with ${what}`,
      [
        { opcode: text, fin: false, payload: bytes.subarray(0, 1) },
        { opcode: continuation, payload: bytes.subarray(1) },
      ],
    ]),
  ])("by %s is told bad_message", (_, sent) => expectRefused(sent, "bad_message", 1008));
});

describe("a peer that sends what no relay takes", () => {
  test.each<[string, Sent]>([
    ["a binary message", [{ opcode: binary, payload: listen }]],
    ["a binary message in pieces", [{ ...beginning, opcode: binary }, ending]],
    ["an empty binary message", [{ opcode: binary }]],
    ["an empty text", [{ opcode: text }]],
    ["an empty text in pieces", [{ opcode: text, fin: false }, { opcode: continuation }]],
    [
      "a text in 129 pieces, though they are empty",
      [beginning, ...Array.from({ length: 128 }, () => ({ opcode: continuation, fin: false })), ending],
    ],
  ])("such as %s is told bad_message", (_, sent) => expectRefused(sent, "bad_message", 1008));

  test.each<[string, Sent]>([
    ["a byte too long", [{ opcode: text, payload: " ".repeat(maxFrameBytes + 1) }]],
    ["too long, and binary", [{ opcode: binary, payload: " ".repeat(maxFrameBytes + 1) }]],
    ["of 2^32 bytes, it says", claiming(2n ** 32n)],
    ["of 2^53 - 1 bytes, it says", claiming(2n ** 53n - 1n)],
    ["of 2^53 bytes, it says", claiming(2n ** 53n)],
    ["of 2^63 bytes, which RFC 6455 does not allow, it says", claiming(2n ** 63n)],
    ["of 2^64 - 1 bytes, it says", claiming(2n ** 64n - 1n)],
    [
      "a byte too long in two pieces",
      [
        { opcode: text, fin: false, payload: " ".repeat(maxFrameBytes) },
        { opcode: continuation, payload: " " },
      ],
    ],
    [
      "too long before its end has come",
      [
        { opcode: text, fin: false, payload: " ".repeat(60_000) },
        { opcode: continuation, fin: false, length: 6_000 },
      ],
    ],
  ])("%s is told frame_too_large", (_, sent) => expectRefused(sent, "frame_too_large", 1009));
});

describe("a peer that keeps to RFC 6455 is understood", () => {
  test.each<[string, Sent]>([
    ["in one frame", [{ opcode: text, payload: listen }]],
    ["in two", [beginning, ending]],
    ["in pieces that are empty", [beginning, { opcode: continuation, fin: false }, ending]],
    [
      "in 128 pieces",
      [beginning, ...Array.from({ length: 126 }, () => ({ opcode: continuation, fin: false })), ending],
    ],
    [
      "with characters cut in two by pieces",
      ((bytes: Buffer) => [
        { opcode: text, fin: false, payload: bytes.subarray(0, 12) },
        { opcode: continuation, payload: bytes.subarray(12) },
      ])(Buffer.from('{"name":"\u{1f511}","type":"listen","otc":"482916"}')),
    ],
    ["with a length in two bytes", [{ opcode: text, payload: listen.padEnd(126) }]],
    ["with the longest length in two bytes", [{ opcode: text, payload: listen.padEnd(65_535) }]],
    ["with a length in eight bytes", [{ opcode: text, payload: listen.padEnd(65_536) }]],
    [
      "after pongs that nobody asked for",
      [
        { opcode: pong, payload: "x" },
        { opcode: text, payload: listen },
      ],
    ],
  ])("%s", async (_, sent) => {
    const raw = await sending(sent);
    expect((await raw.frame(text)).toString()).toBe('{"type":"listening","expiresIn":60}');
    expect(raw.frames).toHaveLength(1);
  });

  test("masked, with any key", async () => {
    const frame = encodeFrame({ opcode: text, payload: listen });
    const key = [0xde, 0xad, 0, 0xff];
    frame.set(key, 2);
    for (let i = 6; i < frame.length; i++) frame[i] = (frame[i] ?? 0) ^ (key[(i - 6) % 4] ?? 0);
    const raw = await sending(frame);
    expect((await raw.frame(text)).toString()).toContain("listening");
  });

  test("a byte at a time", async () => {
    const raw = await sending(Buffer.alloc(0));
    for (const byte of encodeFrame({ opcode: text, payload: listen })) {
      await new Promise((sent) => raw.stream.write(Buffer.of(byte), sent));
    }
    expect((await raw.frame(text)).toString()).toContain("listening");
  });

  test.each([
    ["nothing", ""],
    ["text", "hello"],
    ["bytes that are not UTF-8", Buffer.of(0, 0xff, 0xfe)],
    ["125 bytes", "x".repeat(125)],
  ])("when it pings with %s, and between pieces", async (_, payload) => {
    const raw = await sending([beginning, { opcode: ping, payload }, ending]);
    await raw.frame(text);
    expect(raw.frames.map(({ opcode }) => opcode)).toEqual([pong, text]);
    expect(await raw.frame(pong)).toEqual(Buffer.from(payload));
  });

  test("when it pings many times, in order", async () => {
    const raw = await sending(Array.from({ length: 10 }, (_, i) => ({ opcode: ping, payload: `${i}` })));
    raw.send({ opcode: text, payload: listen });
    await raw.frame(text);
    expect(raw.frames.slice(0, 10).map(({ payload }) => payload.toString())).toEqual([..."0123456789"]);
  });

  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    "when it closes with %i, and closed with the same",
    async (status) => {
      const raw = await sending([{ opcode: close, payload: closing(status, "bye") }]);
      await raw.closed();
      expect(raw.frames).toEqual([{ opcode: close, payload: closing(status, "bye") }]);
      await expectAlive(raw.url);
    },
  );

  test.each<[string, Sent, Buffer]>([
    ["without a status", [{ opcode: close }], Buffer.alloc(0)],
    [
      "for the longest reason",
      [{ opcode: close, payload: closing(1000, "x".repeat(123)) }],
      closing(1000, "x".repeat(123)),
    ],
    ["amidst a message", [beginning, { opcode: close, payload: closing(1000) }], closing(1000)],
    [
      "and goes on",
      [{ opcode: close, payload: closing(1000) }, { opcode: text, payload: listen }, { opcode: ping }],
      closing(1000),
    ],
  ])("when it closes %s, and hears nothing more", async (_, sent, payload) => {
    const raw = await sending(sent);
    await raw.closed();
    expect(raw.frames).toEqual([{ opcode: close, payload }]);
    await expectAlive(raw.url);
  });
});

describe("an opening handshake", () => {
  const key = "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==";
  const version = "Sec-WebSocket-Version: 13";
  const upgrade = ["Host: relay", "Connection: Upgrade", "Upgrade: websocket"];

  /** The head of what the relay answers to a request of these lines, once it has closed or upgraded. */
  async function shake(lines: readonly string[], start = "GET /ws HTTP/1.1"): Promise<string> {
    const { port, url } = await startRelay();
    const raw = await RawSocket.connect(port);
    raw.stream.write([start, ...lines, "", ""].join("\r\n"));
    const head = await raw.head();
    if (!head.startsWith("HTTP/1.1 101 ")) await expectAlive(url);
    return head;
  }

  test.each<[string, readonly string[], number, string?]>([
    ["no version", [...upgrade, key], 426],
    ["the version of a draft", [...upgrade, key, "Sec-WebSocket-Version: 8"], 426],
    ["a version that only counts as 13", [...upgrade, key, "Sec-WebSocket-Version: 0xd"], 426],
    ["two versions", [...upgrade, key, version, "Sec-WebSocket-Version: 8"], 426],
    ["no key", [...upgrade, version], 400],
    ["a key of 15 bytes", [...upgrade, version, "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0O"], 400],
    ["a key of 17 bytes", [...upgrade, version, "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODxA="], 400],
    ["a key that is no base64", [...upgrade, version, "Sec-WebSocket-Key: !!ECAwQFBgcICQoLDA0ODw=="], 400],
    ["two keys", [...upgrade, version, key, key], 400],
    ["an upgrade to something else", ["Host: r", "Connection: Upgrade", "Upgrade: tcp", version, key], 400],
    ["no upgrade", ["Host: r", "Connection: close", version, key], 426],
    [
      "an upgrade that the connection does not name",
      ["Host: r", "Connection: close", "Upgrade: websocket", version, key],
      426,
    ],
    ["a subprotocol that is no token", [...upgrade, version, key, "Sec-WebSocket-Protocol: a,,b"], 400],
    ["POST", [...upgrade, version, key], 405, "POST /ws HTTP/1.1"],
    ["a path that only looks like it", [...upgrade, version, key], 404, "GET /ws/ HTTP/1.1"],
    ["a line that is no header", [...upgrade, version, key, "nonsense"], 400],
    ["a line that is folded", [...upgrade, version, key, " folded: x"], 400],
    ["two lengths of its body", [...upgrade, version, key, "Content-Length: 1", "Content-Length: 2"], 400],
  ])("with %s opens nothing", async (_, lines, status, start) => {
    const head = await shake(lines, start);
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 426) expect(head).toContain("\r\nSec-WebSocket-Version: 13\r\n");
  });

  test("is answered with the hash of its key, and nothing is agreed on that it offers", async () => {
    const head = await shake([
      ...upgrade,
      version,
      key,
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame",
      "Sec-WebSocket-Protocol: chat, amesh",
    ]);
    expect(head.split("\r\n")).toEqual([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Accept: Bz3qJYTGdOe8gUSpLosEdiLKDrk=",
    ]);
  });

  test.each([
    ["extensions that cannot be read", [...upgrade, version, key, "Sec-WebSocket-Extensions: ;;=,"]],
    [
      "names in other letters",
      ["HOST: r", "connection: keep-alive, UPGRADE", "UPGRADE: WebSocket", version, key],
    ],
  ])("with %s opens a socket", async (_, lines) => {
    expect(await shake(lines)).toMatch(/^HTTP\/1\.1 101 /);
  });

  test("may have the first frame right behind it", async () => {
    const { port } = await startRelay();
    const raw = await RawSocket.connect(port);
    const request = Buffer.from(["GET /ws HTTP/1.1", ...upgrade, version, key, "", ""].join("\r\n"));
    raw.stream.write(Buffer.concat([request, encodeFrame({ opcode: text, payload: listen })]));
    await raw.head();
    expect((await raw.frame(text)).toString()).toContain("listening");
  });
});
