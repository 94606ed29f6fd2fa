import { maxFrameBytes, parseRelayMessage } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Device, pair } from "./device.js";
import { type Frame, RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

const error = (code: string) => ({ type: "error", code });
const text = 1;
const closing = 8;

/** The relay's last words on a raw socket: the error message and the code of the closing frame. */
async function lastWords(raw: RawSocket) {
  const close = await raw.frame(closing);
  const message = raw.frames.find(({ opcode }) => opcode === text);
  return {
    message: message && (JSON.parse(message.payload.toString()) as unknown),
    code: close.readUInt16BE(0),
    reason: close.subarray(2).toString(),
  };
}

describe("a frame the relay cannot read", () => {
  test.each([
    ["null", "null"],
    ["an array", "[]"],
    ["an array of a message", '[{"type":"listen","otc":"482916"}]'],
    ["a number", "482916"],
    ["a string", '"listen"'],
    ["true", "true"],
    ["nothing", ""],
    ["no JSON", "{"],
    ["an unknown type", '{"type":"shout"}'],
    ["an inherited name as type", '{"type":"toString"}'],
    ["a code that is no code", '{"type":"listen","otc":"12345"}'],
    ["a code that is a number", '{"type":"listen","otc":482916}'],
    ["nesting without end", "[".repeat(60_000)],
  ])("such as %s is bad_message", async (_, data) => {
    const { url, metric } = await startRelay();
    const device = await Device.open(url);
    device.sendRaw(data);
    expect(await device.next()).toEqual(error("bad_message"));
    expect(await device.closed).toEqual({ code: 1008, reason: "bad_message" });
    expect(await metric('refusals_total{code="bad_message"}')).toBe(1);
  });

  test("such as a good message in a binary frame is bad_message", async () => {
    const { url } = await startRelay();
    const device = await Device.open(url);
    device.sendRaw(Buffer.from('{"type":"listen","otc":"482916"}'));
    expect(await device.next()).toEqual(error("bad_message"));
    expect(await device.closed).toEqual({ code: 1008, reason: "bad_message" });
  });

  test.each<[string, readonly Frame[]]>([
    ["in one frame", [{ opcode: text, payload: " ".repeat(maxFrameBytes + 1) }]],
    ["by what its header claims", [{ opcode: text, length: 2 ** 31 - 1 }]],
    [
      "in pieces",
      [
        { opcode: text, fin: false, payload: " ".repeat(40_000) },
        { opcode: 0, fin: true, payload: " ".repeat(40_000) },
      ],
    ],
  ])("too long %s is frame_too_large", async (_, frames) => {
    const { port, metric } = await startRelay();
    const raw = await RawSocket.open(port);
    raw.send(...frames);
    expect(await lastWords(raw)).toEqual({
      message: error("frame_too_large"),
      code: 1009,
      reason: "frame_too_large",
    });
    expect(await metric('refusals_total{code="frame_too_large"}')).toBe(1);
  });

  test("too long, from one side of a pair, ends it for the other", async () => {
    const { url } = await startRelay();
    const { target, controller } = await pair(url);
    controller.sendRaw(" ".repeat(maxFrameBytes + 1));
    expect(await controller.next()).toEqual(error("frame_too_large"));
    expect(await target.closed).toEqual({ code: 4001, reason: "peer_left" });
  });
});

describe("a frame the relay can read", () => {
  test("may come in pieces, byte by byte, and with white space", async () => {
    const { port } = await startRelay();
    const raw = await RawSocket.open(port);
    const message = Buffer.from(' {"type":"listen",\n"otc":"482916"}');
    for (let i = 0; i < message.length; i++) {
      raw.send({
        opcode: i === 0 ? text : 0,
        fin: i === message.length - 1,
        payload: message.subarray(i, i + 1),
      });
    }
    expect(JSON.parse((await raw.frame(text)).toString())).toEqual({ type: "listening", expiresIn: 60 });
  });

  test("may fill 64 KiB", async () => {
    const { url } = await startRelay();
    const { target, controller } = await pair(url);
    const message = '{"type":"data","payload":"AAEC"}';
    controller.sendRaw(message + " ".repeat(maxFrameBytes - message.length));
    expect(await target.next()).toEqual({ type: "data", payload: "AAEC" });
  });

  test("is not compressed, whatever the client offers", async () => {
    const { url } = await startRelay();
    const device = await Device.open(url, undefined, { perMessageDeflate: true });
    expect(device.socket.extensions).toBe("");
  });
});

test("whatever the frames: errors of the catalogue or a closed socket, and the relay lives on", async () => {
  const few = 100_000;
  const { port } = await startRelay({
    limits: {
      "address.openings": few,
      "address.listens": few,
      "address.failures": few,
      "relay.failures": few,
      "address.longFailures": few,
      "relay.longFailures": few,
    },
  });
  const message = fc.oneof(
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      '{"type":"listen","otc":"482916"}',
      '{"type":"connect","otc":"482916"}',
      '{"type":"data","payload":"AAEC"}',
      '{"type":"done"}',
    ),
  );
  const frame = fc.record(
    {
      opcode: fc.oneof({ weight: 5, arbitrary: fc.constant(text) }, { weight: 1, arbitrary: fc.nat(15) }),
      payload: fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: fc.uint8Array() }),
      fin: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.boolean()),
      masked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()),
      reserved: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(7)),
    },
    { requiredKeys: ["opcode", "payload", "fin", "masked", "reserved"] },
  );
  const bytes = fc.uint8Array({ maxLength: 200 });
  const attempt = fc.oneof(fc.array(frame, { minLength: 1, maxLength: 6 }), bytes);

  await fc.assert(
    fc.asyncProperty(attempt, async (sent) => {
      const raw = await RawSocket.open(port);
      if (sent instanceof Uint8Array) raw.stream.write(sent);
      else raw.send(...sent);
      raw.send({ opcode: closing, payload: Buffer.of(3, 232) });
      raw.stream.end();
      await raw.closed();
      for (const { opcode, payload } of raw.frames) {
        if (opcode === text) expect(parseRelayMessage(payload.toString())).toHaveProperty("type");
        else expect([closing, 10]).toContain(opcode);
      }
    }),
    { numRuns: 200 },
  );
  const health = await fetch(`http://127.0.0.1:${port}/health`);
  expect(await health.json()).toMatchObject({ status: "ok" });
});
