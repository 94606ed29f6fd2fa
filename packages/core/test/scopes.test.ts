import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AmeshError, parseRequirement, parseScopes } from "../src/index.js";
import { anyText } from "./any-text.js";

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "accepted";
};

describe("grants", () => {
  it.each([
    ["", {}],
    ["orders:rw", { orders: "rw" }],
    ["orders:rw,profile:r", { orders: "rw", profile: "r" }],
    ["orders:r, profile.email:rw", { orders: "r", "profile.email": "rw" }],
    ["*:r,__manage:rw", { "*": "r", __manage: "rw" }],
    ["constructor:r", { constructor: "r" }],
  ])("are read from %j", (text, scopes) => expect(parseScopes(text)).toEqual(scopes));

  it.each([
    "orders",
    "orders:",
    "orders:w",
    "orders:RW",
    "Orders:r",
    "orders:r,",
    ",orders:r",
    "orders:r,orders:rw",
    "a.b.c:r",
    ".a:r",
    "a.:r",
    "_a:r",
    "___a:r",
    "*.a:r",
    "__*:r",
    "__proto__:r",
    `${"a".repeat(33)}:r`,
    "orders :r",
    "örders:r",
    "orders:r\u0000",
  ])("are not read from %j", (text) => expect(codeOf(() => parseScopes(text))).toBe("invalid_scope"));

  it("are scopes or invalid_scope, whatever the text", () => {
    const nearly = fc
      .array(fc.constantFrom("orders", "__", ".", ":r", ":rw", ",", "*", "-", " ", "A"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(anyText(), nearly), (text) => {
        expect(["accepted", "invalid_scope"]).toContain(codeOf(() => parseScopes(text)));
        expect(["accepted", "invalid_scope"]).toContain(codeOf(() => parseRequirement(text)));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a requirement", () => {
  it.each([
    ["orders:r", "orders:r", true],
    ["orders:r", "orders:rw", true],
    ["orders:w", "orders:rw", true],
    ["orders:w", "orders:r", false],
    ["orders:r", "", false],
    ["orders:r", "profile:rw", false],
    ["orders.items:w", "orders:rw", true],
    ["orders.items:w", "orders:rw,orders.items:r", false],
    ["orders.items:w", "orders:r,orders.items:rw", true],
    ["orders:w", "orders.items:rw", false],
    ["orders:w", "*:rw", true],
    ["orders:w", "*:rw,orders:r", false],
    ["orders.items:w", "*:rw,orders:r", false],
    ["__manage:w", "*:rw", false],
    ["__manage:w", "__manage:rw", true],
    ["__manage.devices:w", "__manage:rw", true],
    ["constructor:r", "", false],
  ])("%s is met by %j: %s", (requirement, grants, met) => {
    expect(parseRequirement(requirement)(parseScopes(grants))).toBe(met);
  });

  it.each(["", "orders", "orders:rw", "*:r", "orders:r,profile:r", "orders:x", " orders:r"])(
    "is not read from %j",
    (text) => expect(codeOf(() => parseRequirement(text))).toBe("invalid_scope"),
  );
});
