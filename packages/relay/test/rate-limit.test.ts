import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { completeLimits } from "../src/limits.js";
import { RateLimits } from "../src/rate-limit.js";
import { SlidingWindow } from "../src/sliding-window.js";

describe("a sliding window", () => {
  test("lets exactly the limit through in any window, at its edges too", () => {
    const window = new SlidingWindow(2, 1_000);
    const tryAt = (now: number) => {
      const full = window.isFull(now);
      if (!full) window.record(now);
      return !full;
    };
    expect([0, 400, 500, 999, 1_000, 1_399, 1_400, 1_401].map(tryAt)).toEqual([
      true,
      true,
      false,
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  test("agrees with counting", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), steps, (limit, durations) => {
        const window = new SlidingWindow(limit, 100);
        const accepted: number[] = [];
        let now = 0;
        for (const duration of durations) {
          now += duration;
          const recent = accepted.filter((time) => now - time < 100).length;
          expect(window.isFull(now)).toBe(recent >= limit);
          for (const share of [0.5, 0.75, 0.875])
            expect(window.isUsed(share, now)).toBe(recent >= limit * share);
          if (recent < limit) {
            accepted.push(now);
            window.record(now);
          }
        }
      }),
    );
  });
});

describe("the limits", () => {
  test("of one address leave others alone", () => {
    const rates = new RateLimits(completeLimits({}));
    for (let i = 0; i < 10; i++) expect(rates.listen("192.0.2.1", "short", i)).toBeUndefined();
    expect(rates.listen("192.0.2.1", "short", 10)).toBe("rate_limited");
    expect(rates.listen("192.0.2.2", "short", 10)).toBeUndefined();
    expect(rates.listen("192.0.2.1", "short", 59_999)).toBe("rate_limited");
    expect(rates.listen("192.0.2.1", "short", 60_000)).toBeUndefined();
  });

  test("of the whole relay hold for addresses that did nothing yet", () => {
    const rates = new RateLimits(completeLimits({ "relay.listens": 3 }));
    for (let i = 0; i < 3; i++) expect(rates.listen(`192.0.2.${i}`, "short", 0)).toBeUndefined();
    expect(rates.listen("192.0.2.9", "short", 0)).toBe("relay_capacity");
    expect(rates.listen("192.0.2.9", "short", 60_000)).toBeUndefined();
  });

  test("count failures against both ways to guess", () => {
    const rates = new RateLimits(completeLimits({}));
    for (let i = 0; i < 5; i++) {
      expect(rates.overuse("connect", "192.0.2.1", "short", 0)).toBeUndefined();
      rates.recordFailure("192.0.2.1", "short", 0);
    }
    expect(rates.overuse("connect", "192.0.2.1", "short", 1)).toBe("rate_limited");
    expect(rates.listen("192.0.2.1", "short", 1)).toBe("rate_limited");
    expect(rates.overuse("connect", "192.0.2.1", "short", 60_000)).toBeUndefined();
  });

  test("give back what is closed", () => {
    const rates = new RateLimits(completeLimits({ "address.sockets": 2, "relay.sockets": 3 }));
    expect(["a", "a", "a", "b", "b"].map((address) => rates.openSocket(address, 0))).toEqual([
      undefined,
      undefined,
      "rate_limited",
      undefined,
      "relay_capacity",
    ]);
    rates.closeSocket("a");
    expect(rates.sockets).toBe(2);
    expect(rates.openSocket("b", 0)).toBeUndefined();
    expect(rates.openSocket("a", 0)).toBe("relay_capacity");
  });

  test("forget an address a minute after its last act, but never one with an open socket", () => {
    const rates = new RateLimits(completeLimits({ "relay.addresses": 2 }));
    rates.openSocket("stays", 0);
    rates.listen("goes", "short", 0);
    expect(rates.listen("new", "short", 59_999)).toBe("relay_capacity");
    rates.expire(60_000);
    expect(rates.listen("new", "short", 60_000)).toBeUndefined();
    expect(rates.listen("newer", "short", 60_000)).toBe("relay_capacity");
    rates.closeSocket("stays");
    rates.expire(120_000);
    expect(rates.listen("newer", "short", 120_000)).toBeUndefined();
    expect(rates.sockets).toBe(0);
  });

  test.each([
    [{ "address.socket": 1 }],
    [{ constructor: 1 }],
    [{ "address.sockets": 0 }],
    [{ "address.sockets": 1.5 }],
    [{ "address.sockets": Number.NaN }],
    [{ "address.sockets": "10" }],
  ])("refuse to be %j", (limits) => {
    expect(() => completeLimits(limits as object)).toThrow(TypeError);
  });
});
