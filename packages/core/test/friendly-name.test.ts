import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AmeshError, friendlyName } from "../src/index.js";

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "accepted";
};

describe("friendlyName", () => {
  it.each([
    ["My Laptop", "My Laptop"],
    ["  padded\t ", "padded"],
    ["MacBook Pro — dev", "MacBook Pro — dev"],
    ["Cafe\u0301", "Café"],
    ["e\u200d\u0301", "é"],
    ["prod\u202eipa", "prodipa"],
    ["zero\u200bwidth\u2060\ufeff", "zerowidth"],
    ["\u001b[31mred\u001b[0m", "[31mred[0m"],
    ["two\nlines\u2028three", "twolinesthree"],
    ["filler\u3164\u115f\u034f", "filler"],
    ["half \ud83d surrogate", "half  surrogate"],
    ["サーバー 🚀", "サーバー 🚀"],
  ])("cleans %j to %j", (text, name) => expect(friendlyName(text)).toBe(name));

  it.each(["", "   ", "\u200b\u200d", "\u0000\n", "\u3164"])("refuses %j, which nobody would see", (text) =>
    expect(codeOf(() => friendlyName(text))).toBe("invalid_name"),
  );

  it("counts code points, not code units: 64 pass, 65 do not", () => {
    expect(friendlyName("🚀".repeat(64))).toBe("🚀".repeat(64));
    expect(codeOf(() => friendlyName("🚀".repeat(65)))).toBe("invalid_name");
  });

  it("gives a clean name, unchanged by cleaning it again, or invalid_name, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        let name: string;
        try {
          name = friendlyName(text);
        } catch (error) {
          expect((error as AmeshError).code).toBe("invalid_name");
          return;
        }
        expect(friendlyName(name)).toBe(name);
        expect(name.isWellFormed()).toBe(true);
        expect(name).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});
