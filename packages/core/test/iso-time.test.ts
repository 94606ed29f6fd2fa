import { expect, it } from "vitest";
import { isoTime } from "../src/index.js";

it("a time for people is one that every log reads, and whatever a store says is no error", () => {
  expect(isoTime(1_800_000_000)).toBe("2027-01-15T08:00:00Z");
  expect(isoTime(1e15)).toBe("Unix time 1000000000000000");
  expect(isoTime(Number.NaN)).toBe("Unix time NaN");
});
