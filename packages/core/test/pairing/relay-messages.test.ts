import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../src/encoding.js";
import { lookUp } from "../../src/errors.js";
import {
  type ClientMessage,
  formatClientMessage,
  formatRelayMessage,
  maxFrameBytes,
  maxPayloadBytes,
  parseClientMessage,
  parseRelayMessage,
  type RelayMessage,
  relayClosings,
  relayErrorCodes,
} from "../../src/pairing/relay-messages.js";

const payload = Uint8Array.from([0, 1, 2, 250, 255]);
const longCode = "AAECAwQFBgcICQoLDA0ODw";

const clientMessages: readonly ClientMessage[] = [
  { type: "listen", otc: "482916" },
  { type: "connect", otc: longCode },
  { type: "data", payload },
  { type: "data", payload: new Uint8Array() },
  { type: "done" },
  { type: "work", answer: 0 },
  { type: "work", answer: Number.MAX_SAFE_INTEGER },
];

const relayMessages: readonly RelayMessage[] = [
  { type: "listening", expiresIn: 60 },
  { type: "peer_found" },
  { type: "challenge", seed: longCode, bits: 1 },
  { type: "challenge", seed: longCode, bits: 20 },
  { type: "data", payload },
  { type: "done" },
  ...relayErrorCodes.map((code) => ({ type: "error", code }) as const),
];

const refusedByBoth: readonly [string, string][] = [
  ["nothing", ""],
  ["text that is not JSON", "listen"],
  ["null", "null"],
  ["an array", '["listen"]'],
  ["an array of a message", '[{"type":"done"}]'],
  ["a number", "482916"],
  ["a string", '"done"'],
  ["true", "true"],
  ["an object without type", "{}"],
  ["an unknown type", '{"type":"shout"}'],
  ["a type that every object inherits", '{"type":"constructor"}'],
  ["a type of another kind", '{"type":["done"]}'],
  ["a type in another case", '{"type":"DONE"}'],
  ["data without payload", '{"type":"data"}'],
  ["a payload that is not text", '{"type":"data","payload":[1,2]}'],
  ["a payload that is not base64", '{"type":"data","payload":"a!=="}'],
  ["a payload in base64url", '{"type":"data","payload":"-_-_"}'],
  ["a payload without padding", '{"type":"data","payload":"AAE"}'],
  ["a payload with bits that encode nothing", '{"type":"data","payload":"AAF="}'],
  ["a payload with a newline", '{"type":"data","payload":"AAEC\\nAAEC"}'],
  ["a payload over the bound", `{"type":"data","payload":"${"A".repeat(65_512)}"}`],
  ["a frame over the bound", `{"type":"done"}${" ".repeat(maxFrameBytes)}`],
  ["nesting without end", "[".repeat(maxFrameBytes)],
];

const refusedFromClients: readonly [string, string][] = [
  ["listen without a code", '{"type":"listen"}'],
  ["a code that is a number", '{"type":"listen","otc":482916}'],
  ["five digits", '{"type":"listen","otc":"48291"}'],
  ["seven digits", '{"type":"connect","otc":"4829160"}'],
  ["a code with a leading zero", '{"type":"connect","otc":"082916"}'],
  ["a code with a newline", '{"type":"connect","otc":"482916\\n"}'],
  ["digits of another script", '{"type":"connect","otc":"٤٨٢٩١٦"}'],
  ["21 characters", `{"type":"listen","otc":"${longCode.slice(1)}"}`],
  ["22 characters that no 16 bytes encode to", `{"type":"listen","otc":"${longCode.slice(0, 21)}x"}`],
  ["22 characters of standard base64", '{"type":"listen","otc":"AAECAwQFBgcICQoLDA+/Dw"}'],
  ["what only a relay says", '{"type":"peer_found"}'],
  ["work without an answer", '{"type":"work"}'],
  ["an answer that is text", '{"type":"work","answer":"1"}'],
  ["an answer below 0", '{"type":"work","answer":-1}'],
  ["half an answer", '{"type":"work","answer":0.5}'],
  ["an answer of 2^53", '{"type":"work","answer":9007199254740992}'],
];

const refusedFromRelays: readonly [string, string][] = [
  ["a challenge of 21 bits", `{"type":"challenge","seed":"${longCode}","bits":21}`],
  ["a challenge of no bits", `{"type":"challenge","seed":"${longCode}","bits":0}`],
  ["a challenge of half a bit", `{"type":"challenge","seed":"${longCode}","bits":0.5}`],
  ["a challenge without bits", `{"type":"challenge","seed":"${longCode}"}`],
  ["a challenge without a seed", '{"type":"challenge","bits":14}'],
  ["a seed that is short", '{"type":"challenge","seed":"AAECAwQFBgcICQoLDA0OD","bits":14}'],
  ["a seed with a newline", `{"type":"challenge","seed":"${longCode.slice(1)}\\n","bits":14}`],
  ["listening without a time", '{"type":"listening"}'],
  ["a time that is text", '{"type":"listening","expiresIn":"60"}'],
  ["a time that has passed", '{"type":"listening","expiresIn":0}'],
  ["a fraction of a second", '{"type":"listening","expiresIn":1.5}'],
  ["a time beyond a day", '{"type":"listening","expiresIn":86401}'],
  ["an error without code", '{"type":"error"}'],
  ["a code of the catalogue that is not a relay's", '{"type":"error","code":"signature_invalid"}'],
  ["a code that is no text", '{"type":"error","code":["rate_limited"]}'],
  ["what only a device says", '{"type":"listen","otc":"482916"}'],
];

describe("messages between a device and a relay", () => {
  test.each(clientMessages)("a device's message survives the wire: $type $otc", (message) => {
    const carried = message.type === "data" ? { ...message, payload: toBase64(message.payload) } : message;
    expect(parseClientMessage(formatClientMessage(message))).toEqual(carried);
  });

  test.each(relayMessages)("a relay's message survives the wire: $type $code", (message) => {
    expect(parseRelayMessage(formatRelayMessage(message))).toEqual(message);
  });

  test("the wire holds standard base64 and nothing but the members of the type", () => {
    expect(formatClientMessage({ type: "data", payload })).toBe('{"type":"data","payload":"AAEC+v8="}');
    expect(formatClientMessage({ type: "listen", otc: "482916" })).toBe('{"type":"listen","otc":"482916"}');
    expect(formatRelayMessage({ type: "error", code: "otc_in_use" })).toBe(
      '{"type":"error","code":"otc_in_use"}',
    );
  });

  test("a relay hands a payload on as it came, and it still fits", () => {
    const largest = toBase64(new Uint8Array(maxPayloadBytes).fill(7));
    for (const text of ["", "AAEC+v8=", largest]) {
      const carried = { type: "data", payload: text } as const;
      expect(parseClientMessage(formatRelayMessage(carried))).toEqual(carried);
    }
    expect(() => formatRelayMessage({ type: "data", payload: `${largest}AAAA` })).toThrow(TypeError);
  });

  test("members a type does not have are dropped", () => {
    const text = '{"otc":"482916","type":"listen","name":"x","__proto__":{"polluted":1}}';
    const message = parseClientMessage(text);
    expect(message).toEqual({ type: "listen", otc: "482916" });
    expect("polluted" in message).toBe(false);
  });

  test.each([...refusedByBoth, ...refusedFromClients])("from a device, %s is bad_message", (_, text) => {
    expect(parseClientMessage(text)).toMatchObject({ code: "bad_message" });
  });

  test.each([...refusedByBoth, ...refusedFromRelays])(
    "from a relay, %s is relay_protocol_error",
    (_, text) => {
      expect(parseRelayMessage(text)).toMatchObject({ code: "relay_protocol_error" });
    },
  );

  test("the largest payload fills a frame, one byte more is a mistake of the programmer", () => {
    const largest = new Uint8Array(maxPayloadBytes).fill(7);
    const text = formatRelayMessage({ type: "data", payload: largest });
    expect(text.length).toBeLessThanOrEqual(maxFrameBytes);
    expect(maxFrameBytes - text.length).toBeLessThan(4);
    expect(parseClientMessage(text)).toEqual({ type: "data", payload: toBase64(largest) });
    expect(() => formatClientMessage({ type: "data", payload: new Uint8Array(maxPayloadBytes + 1) })).toThrow(
      TypeError,
    );
  });

  test("every error code is a row of the catalogue and has a status code to close with", () => {
    expect(relayErrorCodes).toHaveLength(9);
    for (const code of relayErrorCodes) {
      expect(lookUp(code)).toBeDefined();
      expect(relayClosings[code]).toBeGreaterThan(1000);
    }
  });

  test("whatever the text: a message that survives the wire, or the failure", () => {
    const foreign = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc
        .record({
          type: fc.constantFrom("listen", "connect", "data", "done", "listening", "peer_found", "error", "x"),
          otc: fc.oneof(fc.constantFrom("482916", longCode), fc.string(), fc.integer()),
          payload: fc.oneof(fc.base64String(), fc.string(), fc.constant(null)),
          expiresIn: fc.oneof(fc.integer(), fc.double(), fc.string()),
          code: fc.oneof(fc.constantFrom(...relayErrorCodes), fc.string()),
        })
        .map((message) => JSON.stringify(message)),
    );
    fc.assert(
      fc.property(foreign, (text) => {
        const fromDevice = parseClientMessage(text);
        if ("type" in fromDevice)
          expect(parseClientMessage(formatClientMessage(fromDevice))).toEqual(fromDevice);
        else expect(fromDevice.code).toBe("bad_message");
        const fromRelay = parseRelayMessage(text);
        if ("type" in fromRelay) expect(parseRelayMessage(formatRelayMessage(fromRelay))).toEqual(fromRelay);
        else expect(fromRelay.code).toBe("relay_protocol_error");
      }),
      { numRuns: 2_000 },
    );
  });
});
