import { formatRelayMessage, maxFrameBytes, maxPayloadBytes, toBase64, toBase64Url } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatInstanceMessage,
  type InstanceMessage,
  parseInstanceMessage,
} from "../src/redis/instance-message.js";

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(toBase64Url);
const head = { session: id, place: fc.nat(999_999_999) };
const message: fc.Arbitrary<InstanceMessage> = fc.oneof(
  fc.record({ ...head, type: fc.constant("joined" as const), instance: id, talk: id }),
  fc.record({ ...head, type: fc.constant("accepted" as const), instance: id }),
  fc.record({
    ...head,
    type: fc.constant("data" as const),
    payload: fc.uint8Array({ maxLength: 200 }).map(toBase64),
  }),
  fc.record({ ...head, type: fc.constant("done" as const) }),
  fc.record({
    ...head,
    type: fc.constant("refused" as const),
    reason: fc.constantFrom("otc_not_found" as const, "peer_already_connected" as const),
  }),
  fc.record({
    ...head,
    type: fc.constant("ended" as const),
    reason: fc.constantFrom("peer_left" as const, "session_expired" as const),
  }),
);

describe("a message between instances", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(message, (said) => {
        expect(parseInstanceMessage(formatInstanceMessage(said))).toEqual(said);
      }),
    );
  });

  test("is read as itself or not at all, whatever became of it", () => {
    const broken = fc.tuple(message, fc.nat(80), fc.string({ maxLength: 3 })).map(([said, at, text]) => {
      const whole = formatInstanceMessage(said);
      return whole.slice(0, at) + text + whole.slice(at + text.length);
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), broken), (text) => {
        const read = parseInstanceMessage(text);
        if (read !== undefined) expect(parseInstanceMessage(formatInstanceMessage(read))).toEqual(read);
      }),
    );
  });

  test("that a device is told fits a frame", () => {
    const payload = fc.nat(24_000).map((groups) => "A".repeat(4 * groups));
    fc.assert(
      fc.property(id, payload, (session, data) => {
        const read = parseInstanceMessage(`${session} 1 data ${data}`);
        expect(read !== undefined).toBe(data.length <= (maxPayloadBytes / 3) * 4);
        if (read?.type === "data") expect(formatRelayMessage(read).length).toBeLessThanOrEqual(maxFrameBytes);
      }),
    );
  });

  test.each([
    "AAAAAAAAAAAAAAAAAAAAAA 0 ended done",
    "AAAAAAAAAAAAAAAAAAAAAA 0 ended otc_not_found",
    "AAAAAAAAAAAAAAAAAAAAAA 0 refused peer_left",
    "AAAAAAAAAAAAAAAAAAAAAA 0 toString ",
    "AAAAAAAAAAAAAAAAAAAAAA -1 done ",
    "AAAAAAAAAAAAAAAAAAAAAA 0 joined AAAAAAAAAAAAAAAAAAAAAA",
    `AAAAAAAAAAAAAAAAAAAAAA 0 data ${"A".repeat(70_000)}`,
  ])("is none: %.60s", (text) => {
    expect(parseInstanceMessage(text)).toBeUndefined();
  });
});
