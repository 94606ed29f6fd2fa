import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AmeshError } from "../../src/errors.js";
import {
  drawPairingCode,
  isOneTimeCode,
  isPairingCode,
  parsePairingCode,
} from "../../src/pairing/one-time-code.js";

/** A random source that yields these 32-bit values, one after the other. */
function randomOf(...values: readonly number[]): (length: number) => Uint8Array {
  const left = [...values];
  return (length) => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(0, left.shift() ?? expect.fail("no random value is left"));
    return bytes;
  };
}

describe("the one-time code", () => {
  test("spans 100000 to 999999", () => {
    expect(drawPairingCode(randomOf(0))).toBe("100000");
    expect(drawPairingCode(randomOf(899_999))).toBe("999999");
    expect(drawPairingCode(randomOf(900_000))).toBe("100000");
  });

  test("values that would make low codes likelier are drawn again", () => {
    const lastFair = 4_772 * 900_000 - 1;
    expect(drawPairingCode(randomOf(lastFair))).toBe("999999");
    expect(drawPairingCode(randomOf(lastFair + 1, 2 ** 32 - 1, 382_916))).toBe("482916");
  });

  test("comes from the system's random source by default, and differs", () => {
    const codes = new Set(Array.from({ length: 100 }, () => drawPairingCode()));
    expect(codes.size).toBeGreaterThan(90);
    for (const code of codes) expect(isPairingCode(code)).toBe(true);
  });

  test("is read as people type it", () => {
    expect(parsePairingCode(" 482 916\n")).toBe("482916");
  });

  test("of 22 characters is for relays, not for people", () => {
    expect(isOneTimeCode("AAECAwQFBgcICQoLDA0ODw")).toBe(true);
    expect(isPairingCode("AAECAwQFBgcICQoLDA0ODw")).toBe(false);
  });

  test("whatever the text: six digits, or pairing_code_malformed that does not repeat it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[0-9 ]{4,9}$/)), (text) => {
        try {
          expect(parsePairingCode(text)).toMatch(/^[1-9][0-9]{5}$/);
        } catch (error) {
          if (!(error instanceof AmeshError)) throw error;
          expect(error.code).toBe("pairing_code_malformed");
          expect(error.message).toBe(new AmeshError("pairing_code_malformed").message);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
