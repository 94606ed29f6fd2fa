import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGlob } from "../src/policy/glob.js";
import { fits } from "./fixtures/naive-policy.js";

describe("a glob", () => {
  it.each([
    ["svc://ci/*", "/", "svc://ci/deploy", true],
    ["svc://ci/*", "/", "svc://ci/", true],
    ["svc://ci/*", "/", "svc://ci/a/b", false],
    ["svc://ci/**", "/", "svc://ci/a/b", true],
    ["svc://ci/**", "/", "svc://ci", false],
    ["svc://ci/**", "/", "svc://cia/b", false],
    ["*://ci/a", "/", "svc://ci/a", true],
    ["*", "/", "svc://ci", false],
    ["**", "/", "svc://ci", true],
    ["**", "/", "", true],
    ["orders.*", ".", "orders.write", true],
    ["orders.*", ".", "orders.items.write", false],
    ["orders.**", ".", "orders.items.write", true],
    ["*.write", ".", "orders.write", true],
    ["*.write", ".", "orders.items.write", false],
    ["**.write", ".", "orders.items.write", true],
    ["refs/heads/release-*", "/", "refs/heads/release-1.2", true],
    ["refs/heads/release-*", "/", "refs/heads/release-1/x", false],
    ["/a/*/c/**/e", "/", "/a/b/c/d/d/e", true],
    ["/a/*/c/**/e", "/", "/a/b/b/c/d/e", false],
    ["a.c", "/", "abc", false],
    ["a", "/", "A", false],
    ["a+", "/", "aa", false],
  ])("%s with separator %s and %s: %s", (pattern, separator, text, expected) => {
    expect(compileGlob(pattern, separator).matches(text)).toBe(expected);
  });

  it("agrees with one that tries every way", () => {
    const characters = fc.constantFrom("a", "b", "/", "*", "**", ".");
    const pattern = fc
      .array(characters, { maxLength: 10 })
      .map((parts) => parts.join("").replace(/\*{3,}/g, "**"));
    const text = fc
      .array(fc.constantFrom("a", "b", "/", "."), { maxLength: 12 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        expect(compileGlob(pattern, "/").matches(text)).toBe(fits(pattern, text, "/"));
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["wildcards between letters", "*a".repeat(128), "a".repeat(8000)],
    ["crossing wildcards between letters", "**a".repeat(80), "a".repeat(8000)],
    ["both in turns", "*a**b".repeat(50), "ab".repeat(4000)],
    ["a tail that never fits", `${"**/*".repeat(60)}z`, "/a".repeat(4000)],
  ])("needs no more than its length times the text's, for %s", (_, pattern, text) => {
    const glob = compileGlob(pattern, "/");
    const started = performance.now();
    glob.matches(text);
    // Backtracking would take longer than anybody waits.
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
