import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type JsonValue, parseStrictJson, utf8 } from "../src/index.js";

const problemOf = (input: string | Uint8Array, limits = {}) => parseStrictJson(input, limits).problem;

describe("parseStrictJson", () => {
  it.each([
    ["null", null],
    [" -0.5e1 ", -5],
    ['"\\ud83d\\ude80"', "🚀"],
    ['"a\\\\"', "a\\"],
    ['"quote \\" colon : brace {"', 'quote " colon : brace {'],
    ['{"a":{"a":1},"b":[{"a":2},{"a":3}]}', { a: { a: 1 }, b: [{ a: 2 }, { a: 3 }] }],
    ['[ "a" , "a" , "a" ]', ["a", "a", "a"]],
    ['{ "a"\n:\t"a" , "b" : "a" }', { a: "a", b: "a" }],
  ])("reads %s", (text, value) => {
    expect(parseStrictJson(text)).toEqual({ value });
    expect(parseStrictJson(utf8(text))).toEqual({ value });
  });

  it.each([
    ["", "it is not JSON"],
    ["{a:1}", "it is not JSON"],
    ["[1,]", "it is not JSON"],
    ["1 2", "it is not JSON"],
    ["NaN", "it is not JSON"],
    ["\ufeff{}", "it is not JSON"],
    ['{"a":1,"a":1}', "it names a member twice"],
    ['{"a":1,"\\u0061":2}', "it names a member twice"],
    ['{"b":[{"x":{"a":"a","a" :1}}]}', "it names a member twice"],
    ['{"__proto__":1,"__proto__":2}', "it names a member twice"],
    ['{"":1,"":2}', "it names a member twice"],
    ['"\\ud800"', "it holds a lone surrogate"],
    ['{"\\udc00":1}', "it holds a lone surrogate"],
    ['"\ud800"', "it holds a lone surrogate"],
    ["[1e999]", "it holds a number out of range"],
    ["-1e999", "it holds a number out of range"],
  ])("refuses %j: %s", (text, problem) => expect(problemOf(text)).toBe(problem));

  it("refuses bytes that are not UTF-8", () => {
    expect(problemOf(Uint8Array.of(0x22, 0xff, 0x22))).toBe("it is not UTF-8");
    expect(problemOf(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toBe("it is not UTF-8");
    expect(problemOf(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBe("it is not JSON");
  });

  it("holds nesting to its limit, however deep the text goes", () => {
    expect(problemOf("[[]]", { maxDepth: 2 })).toBeUndefined();
    expect(problemOf("[[[]]]", { maxDepth: 2 })).toBe("it is nested deeper than 2");
    expect(problemOf('{"a":{"b":1}}', { maxDepth: 1 })).toBe("it is nested deeper than 1");
    expect(problemOf("[".repeat(500_000) + "]".repeat(500_000))).toBe("it is nested deeper than 16");
  });

  it("holds the length to its limit", () => {
    expect(problemOf('"1234"', { maxLength: 6 })).toBeUndefined();
    expect(problemOf('"12345"', { maxLength: 6 })).toBe("it is longer than 6");
    expect(problemOf(utf8('"ü34"'), { maxLength: 5 })).toBe("it is longer than 5");
  });

  it("takes time in proportion to the length, backslashes included", () => {
    expect(problemOf(`"${"\\\\".repeat(500_000)}"`)).toBeUndefined();
    expect(problemOf(`"${'\\"'.repeat(500_000)}"`)).toBeUndefined();
  });

  it("keeps __proto__ a plain member that reaches no prototype", () => {
    const value = parseStrictJson('{"__proto__":{"admin":true}}').value as Record<string, JsonValue>;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(value["admin"]).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it("agrees with JSON.parse on every text without a duplicate", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6, stringUnit: "binary" }), fc.boolean(), (text, pretty) => {
        const expected = JSON.parse(text);
        const spelt = pretty ? JSON.stringify(expected, null, 2) : text;
        fc.pre(spelt.isWellFormed() && !/\\ud[89a-f]/i.test(spelt));
        const { value, problem } = parseStrictJson(spelt);
        expect(problem).toBeUndefined();
        expect(canonicalJson(value as JsonValue)).toBe(canonicalJson(expected));
      }),
    );
  });

  it("refuses an object exactly when two of its names are equal once unescaped", () => {
    const escaped = (name: string) =>
      [...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
    const name = fc.tuple(fc.constantFrom("a", "b", "__proto__", "", "1", "é"), fc.boolean());
    fc.assert(
      fc.property(fc.array(name, { maxLength: 6 }), (names) => {
        const members = names.map(([text, spelled]) => `"${spelled ? escaped(text) : text}":[{"a":"b"}]`);
        const distinct = new Set(names.map(([text]) => text)).size === names.length;
        expect(problemOf(`[{${members.join(",")}}]`) === undefined).toBe(distinct);
      }),
    );
  });

  it.each([
    ["1", true],
    ["-7", true],
    ["0", true],
    ["9007199254740991", true],
    ["9007199254740992", false],
    ["1.0", false],
    ["1e3", false],
    ["1E0", false],
    ["-0", false],
    ["0.5", false],
  ])("takes %s where only integers are wanted: %s", (number, taken) => {
    const { problem } = parseStrictJson(`{"a":[${number}]}`, { integers: true });
    expect(problem === undefined).toBe(taken);
    expect(problemOf(`{"a":[${number}]}`)).toBeUndefined();
  });

  it("answers whatever the bytes, and never accepts what JSON.parse refuses", () => {
    const nearJson = fc
      .array(fc.constantFrom("{", "}", "[", "]", '"a"', '"', ":", ",", "1", "-", "e9", "\\", " ", "true"))
      .map((parts) => utf8(parts.join("")));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearJson), (bytes) => {
        const { problem } = parseStrictJson(bytes, { maxLength: 48, maxDepth: 4 });
        if (problem !== undefined) return;
        expect(() => JSON.parse(new TextDecoder().decode(bytes))).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });
});
