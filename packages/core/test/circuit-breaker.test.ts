import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Circuit,
  CircuitBreaker,
  type CircuitInput,
  closed,
  transition,
} from "../src/circuit-breaker.js";

const limits = { failures: 3, pauseMs: 100 };
const open: Circuit = { state: "open", until: 100 };
const halfOpen: Circuit = { state: "half-open" };

describe("the table of the circuit", () => {
  it.each<[Circuit, CircuitInput, number, Circuit | undefined]>([
    [closed, "asked", 0, closed],
    [closed, "succeeded", 0, closed],
    [closed, "failed", 0, { state: "closed", failures: 1 }],
    [{ state: "closed", failures: 2 }, "succeeded", 0, closed],
    [{ state: "closed", failures: 2 }, "failed", 7, { state: "open", until: 107 }],
    [open, "asked", 99, undefined],
    [open, "asked", 100, halfOpen],
    [open, "succeeded", 100, undefined],
    [open, "failed", 100, undefined],
    [halfOpen, "asked", 1000, undefined],
    [halfOpen, "succeeded", 1000, closed],
    [halfOpen, "failed", 1000, { state: "open", until: 1100 }],
  ])("%j, %s at %i: %j", (circuit, input, now, next) => {
    expect(transition(circuit, input, now, limits)).toEqual(next);
  });
});

/** What happens to a breaker: a call is asked for, one of those under way ends, or time passes. */
const happening = fc.oneof(
  fc.constant({ what: "ask" as const }),
  fc.record({ what: fc.constant("end" as const), which: fc.nat(), succeeded: fc.boolean() }),
  fc.record({ what: fc.constant("pass" as const), milliseconds: fc.integer({ min: 1, max: 150 }) }),
);

describe("a circuit breaker", () => {
  it("lets nothing through while open, and one call at a time before it closes, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 200 }), (happenings) => {
        let now = 0;
        let openedAt = 0;
        let probes = 0;
        const breaker = new CircuitBreaker(limits, (_, to) => {
          if (to === "open") openedAt = now;
          if (to !== "half-open") probes = 0;
        });
        const running: { term: number }[] = [];
        for (const each of happenings) {
          if (each.what === "pass") now += each.milliseconds;
          else if (each.what === "end") {
            const [call] = running.splice(each.which % Math.max(1, running.length), 1);
            if (call !== undefined) breaker.report(call, each.succeeded ? "succeeded" : "failed", now);
          } else {
            const before = breaker.state;
            const admitted = breaker.admit(now);
            if (before === "open") expect(admitted !== undefined).toBe(now >= openedAt + limits.pauseMs);
            if (before === "closed") expect(admitted).toBeDefined();
            if (admitted === undefined) continue;
            running.push(admitted);
            if (breaker.state === "half-open") expect(++probes).toBe(1);
          }
        }
      }),
    );
  });

  it("opens after failures in a row, and only then", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 50 }), (outcomes) => {
        const breaker = new CircuitBreaker(limits);
        let inARow = 0;
        for (const succeeded of outcomes) {
          const call = breaker.admit(0);
          expect(call === undefined).toBe(inARow >= limits.failures);
          if (call === undefined) return;
          breaker.report(call, succeeded ? "succeeded" : "failed", 0);
          inARow = succeeded ? 0 : inARow + 1;
        }
      }),
    );
  });

  it("does not take the late result of an earlier call for that of its probe", () => {
    const changes: string[] = [];
    const breaker = new CircuitBreaker(limits, (from, to) => changes.push(`${from} -> ${to}`));
    const calls = [1, 2, 3, 4, 5].map(() => breaker.admit(0));
    const [late, tooLate, ...failing] = calls as { term: number }[];
    for (const call of failing) breaker.report(call, "failed", 0);
    const probe = breaker.admit(100) as { term: number };
    breaker.report(late as { term: number }, "succeeded", 101);
    breaker.report(tooLate as { term: number }, "failed", 101);
    expect(breaker.state).toBe("half-open");
    breaker.report(probe, "succeeded", 102);
    expect(changes).toEqual(["closed -> open", "open -> half-open", "half-open -> closed"]);
  });
});
