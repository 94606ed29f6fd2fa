import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type JsonValue } from "../src/index.js";

describe("canonical JSON", () => {
  it.each<[JsonValue, string]>([
    [{ b: 1, a: [true, null, "x"] }, '{"a":[true,null,"x"],"b":1}'],
    [
      { "\u20ac": 1, "\r": 2, "1": 3, "\ud83d\ude00": 4, "\ufb33": 5 },
      '{"\\r":2,"1":3,"€":1,"😀":4,"\ufb33":5}',
    ],
    [-0, "0"],
    [1e21, "1e+21"],
    [4.5e-7, "4.5e-7"],
    [0.000001, "0.000001"],
    ['\u0000\u001f"\\/\u007f', '"\\u0000\\u001f\\"\\\\/\u007f"'],
    [{}, "{}"],
    [[], "[]"],
  ])("of %j is %s", (value, text) => expect(canonicalJson(value)).toBe(text));

  it("leaves out a member that is undefined", () => {
    expect(canonicalJson({ b: 1, a: undefined } as unknown as JsonValue)).toBe('{"b":1}');
  });

  it("says the same for members in another order, and reads back as the same value", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), (value) => {
        const whole = value as { readonly [name: string]: JsonValue };
        const reversed = Object.fromEntries(Object.entries(whole).reverse());
        const text = canonicalJson(whole);
        expect(canonicalJson(reversed)).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(whole)));
      }),
    );
  });

  it.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, "\ud800", [undefined], { "\udc00": 1 }, () => 1])(
    "takes %o for a mistake of the programmer",
    (value) => expect(() => canonicalJson(value as JsonValue)).toThrow(TypeError),
  );
});
