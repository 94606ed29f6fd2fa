import { mostSimilar } from "@authmesh/core";
import { describe, expect, it } from "vitest";

describe("a suggestion", () => {
  it.each([
    ["lsit", "list"],
    ["inivte", "invite"],
    ["stauts", "status"],
    ["LIST", "list"],
    ["docter", "doctor"],
    ["xyzzy", undefined],
    ["", undefined],
    ["l".repeat(100_000), undefined],
  ])("for %.20s is %s", (text, meant) => {
    expect(mostSimilar(text, ["init", "list", "listen", "invite", "status", "doctor"])).toBe(meant);
  });
});
