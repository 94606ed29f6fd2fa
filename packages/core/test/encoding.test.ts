import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  base64Length,
  concatBytes,
  decodeUtf8,
  fromBase64,
  fromBase64Url,
  isBase64,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from "../src/index.js";
import { anyText } from "./any-text.js";

const bytes = fc.uint8Array({ maxLength: 200 });

describe("base64 and base64url", () => {
  it("write what Buffer writes and read it back", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const buffer = Buffer.from(value);
        expect(toBase64(value)).toBe(buffer.toString("base64"));
        expect(toBase64Url(value)).toBe(buffer.toString("base64url"));
        expect(toHex(value)).toBe(buffer.toString("hex"));
        expect(fromBase64(toBase64(value))).toEqual(value);
        expect(fromBase64Url(toBase64Url(value))).toEqual(value);
      }),
    );
  });

  it("read a text only if it is the one that they would write", () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."AQgw+/-_=Zz09 "), maxLength: 12 }),
      anyText(12),
    );
    fc.assert(
      fc.property(text, (value) => {
        const standard = fromBase64(value);
        if (standard !== undefined) expect(toBase64(standard)).toBe(value);
        expect(isBase64(value)).toBe(standard !== undefined);
        if (standard !== undefined) expect(base64Length(value)).toBe(standard.length);
        const url = fromBase64Url(value);
        if (url !== undefined) expect(toBase64Url(url)).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["AA==", [0], undefined],
    ["AA", undefined, [0]],
    ["AB==", undefined, undefined],
    ["AB", undefined, undefined],
    ["AAA=", [0, 0], undefined],
    ["AAB=", undefined, undefined],
    ["AAB", undefined, undefined],
    ["A", undefined, undefined],
    ["A===", undefined, undefined],
    ["=", undefined, undefined],
    ["====", undefined, undefined],
    ["AA=A", undefined, undefined],
    ["AA==AAAA", undefined, undefined],
    ["AAAA====", undefined, undefined],
    [" AAA", undefined, undefined],
    ["AAAA\n", undefined, undefined],
    ["-_-_", undefined, [251, 255, 191]],
    ["+/+/", [251, 255, 191], undefined],
    ["", [], []],
    ["AAA\u0100", undefined, undefined],
  ])("read %j as %j and as %j", (text, standard, url) => {
    expect(isBase64(text)).toBe(standard !== undefined);
    expect(fromBase64(text)).toEqual(standard && Uint8Array.from(standard));
    expect(fromBase64Url(text)).toEqual(url && Uint8Array.from(url));
  });
});

describe("UTF-8", () => {
  it("is read exactly as it was written, a byte order mark included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(decodeUtf8(utf8(`\ufeff${text}`))).toBe(`\ufeff${text}`);
      }),
    );
  });

  it.each([
    ["a lone continuation byte", [0x80]],
    ["a truncated sequence", [0xe2, 0x82]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a code point past the last", [0xf4, 0x90, 0x80, 0x80]],
  ])("is not read from %s", (_, malformed) => {
    expect(decodeUtf8(Uint8Array.from(malformed))).toBeUndefined();
  });
});

it("concatBytes joins in order and copies", () => {
  const first = Uint8Array.of(1, 2);
  const whole = concatBytes(first, new Uint8Array(0), Uint8Array.of(3));
  first[0] = 9;
  expect(whole).toEqual(Uint8Array.of(1, 2, 3));
  expect(concatBytes()).toEqual(new Uint8Array(0));
});
