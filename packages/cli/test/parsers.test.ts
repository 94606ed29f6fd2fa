import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineReader } from "../src/terminal/line-reader.js";
import { visible } from "../src/terminal/visible.js";
import { parseDuration } from "../src/time.js";

const anyText = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 40 });

describe("a line of input", () => {
  const linesOf = async (chunks: readonly Uint8Array[]) => {
    const reader = new LineReader(Readable.from(chunks, { objectMode: false }));
    const lines: string[] = [];
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) lines.push(line);
    return lines;
  };

  it("is read the same however it arrives", async () => {
    const chunks = fc.array(
      fc.array(fc.constantFrom(...Buffer.from("ab1\r\n"))).map((bytes) => Uint8Array.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(chunks, async (parts) => {
        const whole = Buffer.concat(parts);
        const lines = whole.toString().split(/\r?\n/);
        if (lines.at(-1) === "") lines.pop();
        expect(await linesOf(parts.filter((part) => part.length > 0))).toEqual(lines);
      }),
    );
  });

  it("that does not end is refused", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(1000, "x");
      })(),
    );
    await expect(new LineReader(endless).next()).rejects.toMatchObject({ code: "invalid_option" });
  });
});

describe("a duration", () => {
  it.each([
    ["45s", 45],
    ["30m", 1800],
    ["12h", 43_200],
    ["90d", 7_776_000],
  ])("%s is %d seconds", (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  it("is a number of seconds or invalid_option, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.stringMatching(/^[0-9]{0,8}[smhdwy]?$/)), (text) => {
        try {
          expect(parseDuration(text)).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
          expect((error as AmeshError).code).toBe("invalid_option");
        }
      }),
    );
  });
});

describe("foreign text on a terminal", () => {
  it("keeps its lines and letters, and moves no cursor", () => {
    expect(visible("grün\n\ttab 🐎")).toBe("grün\n\ttab 🐎");
    expect(visible("\u001b[2Jx\r\u202e\u009b")).toBe("\\u{1b}[2Jx\\u{d}\\u{202e}\\u{9b}");
    expect(visible("two\r\nlines")).toBe("two\r\nlines");
    fc.assert(
      fc.property(anyText, (text) => {
        expect(visible(text)).not.toMatch(/\r(?!\n)|[^\P{Cc}\r\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
