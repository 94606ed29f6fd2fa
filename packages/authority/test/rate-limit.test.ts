import fc from "fast-check";
import { expect, it } from "vitest";
import { RateLimit } from "../src/http/rate-limit.js";

it("lets anybody's first act pass, whatever the clock says", () => {
  const clock = fc.integer({ min: 0, max: 1e9 }).map((micros) => micros / 1000);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), clock, (perMinute, now) => {
      expect(new RateLimit(perMinute, () => now).take("new")).toBeUndefined();
    }),
  );
});

it("lets a sixth of a minute's acts come at once, and then each as it is due", () => {
  let now = 0;
  const limit = new RateLimit(60, () => now);
  for (let i = 0; i < 10; i++) expect(limit.take("one")).toBeUndefined();
  expect(limit.take("one")).toBe(1);
  expect(limit.take("other")).toBeUndefined();
  limit.giveBack("one");
  limit.giveBack("nobody");
  expect(limit.take("one")).toBeUndefined();
  expect(limit.take("one")).toBe(1);
  now = 1000;
  expect(limit.take("one")).toBeUndefined();
  expect(limit.take("one")).toBe(1);
});
