import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AmeshError, catalogue, failure, lookUp, quoteForeign } from "../src/index.js";
import { anyText } from "./any-text.js";

describe("a failure", () => {
  it("takes status, public code, detail and fix from the catalogue", () => {
    expect(failure("clock_skew")).toEqual({
      code: "clock_skew",
      status: 401,
      public: "unauthorized",
      detail: catalogue.clock_skew.summary,
      fix: catalogue.clock_skew.fix,
    });
    expect(failure("missing_header").public).toBe("missing_header");
  });

  it("may say what happened this time, and what mends it this time", () => {
    expect(failure("clock_skew", "40 s behind.", "Set the clock.")).toMatchObject({
      detail: "40 s behind.",
      fix: "Set the clock.",
    });
  });
});

describe("AmeshError", () => {
  it("is known when another copy of this package made it, which a subclass is not", async () => {
    const other: typeof import("../src/errors.js") = await import(`../src/errors.js?${"another copy"}`);
    const error = new other.AmeshError("storage_failed");
    class Special extends AmeshError {}
    expect(other.AmeshError).not.toBe(AmeshError);
    expect(error instanceof AmeshError).toBe(true);
    expect(error instanceof Special).toBe(false);
    expect(new Special("storage_failed") instanceof Special).toBe(true);
    expect(new Error("no amesh") instanceof AmeshError).toBe(false);
  });

  it("carries its failure, and its detail as the message", () => {
    const cause = new Error("below");
    const error = new AmeshError("storage_failed", "Cannot write.", { fix: "Make room.", cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "AmeshError", code: "storage_failed", message: "Cannot write." });
    expect(error.fix).toBe("Make room.");
    expect(error.cause).toBe(cause);
  });

  it("may be made of a failure", () => {
    const refusal = failure("device_revoked");
    expect(new AmeshError(refusal).failure).toBe(refusal);
    expect("cause" in new AmeshError(refusal)).toBe(false);
  });
});

describe("lookUp", () => {
  it("finds codes, and nothing under names that every object has", () => {
    expect(lookUp("clock_skew")).toEqual({ code: "clock_skew", ...catalogue.clock_skew });
    for (const text of ["", "CLOCK_SKEW", "constructor", "__proto__", "toString"]) {
      expect(lookUp(text)).toBeUndefined();
    }
  });
});

describe("foreign text", () => {
  it.each([
    ["plain", '"plain"'],
    ['a "quote" \\', '"a \\"quote\\" \\\\"'],
    ["two\r\nlines", '"two\\r\\nlines"'],
    ["\u001b[31mred", '"\\u001b[31mred"'],
    ["\u0000\u007f\u009b", '"\\u0000\\u007f\\u009b"'],
    ["right\u202eleft\u061c", '"right\\u202eleft\\u061c"'],
    ["\u200bzero\ufeff\u00ad", '"\\u200bzero\\ufeff\\u00ad"'],
    ["a\u2028b\u2029c", '"a\\u2028b\\u2029c"'],
    ["\ud83d half", '"\\ud83d half"'],
    ["tag \u{e0041}", '"tag \\udb40\\udc41"'],
    ["café 🐎", '"café 🐎"'],
  ])("%j is quoted", (text, quoted) => expect(quoteForeign(text)).toBe(quoted));

  it("is cut at 64 code units", () => {
    expect(quoteForeign("x".repeat(64))).toBe(`"${"x".repeat(64)}"`);
    expect(quoteForeign("x".repeat(65))).toBe(`"${"x".repeat(64)}…"`);
    expect(quoteForeign(`${"x".repeat(63)}🐎`)).toBe(`"${"x".repeat(63)}\\ud83d…"`);
  });

  it("holds nothing unseen, and reads back as it was", () => {
    fc.assert(
      fc.property(anyText(64), (text) => {
        const quoted = quoteForeign(text);
        expect(quoted).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(JSON.parse(quoted)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});
