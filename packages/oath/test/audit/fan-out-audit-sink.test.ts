import type { AuditSink } from "@authmesh/core";
import { expect, test } from "vitest";
import { FanOutAuditSink, type FanOutOptions } from "../../src/audit/index.js";
import { BlackHole, event, ids, Kept, listening, TestTimers, turn } from "./fixture.js";

function fanOut(sinks: readonly AuditSink[], more: FanOutOptions = {}) {
  const timers = new TestTimers();
  const { logger, lines } = listening();
  const audit = new FanOutAuditSink(sinks, { logger, schedule: timers.schedule, ...more });
  return { audit, timers, lines };
}

test("one sink that gives no answer, and one that fails, hold up no other", async () => {
  const [kept, broken] = [new Kept(), new Kept()];
  broken.trouble = new Error("broken");
  const { audit } = fanOut([new BlackHole(), broken, kept]);
  for (const id of "abc") {
    expect(audit.record(event(id))).toBeUndefined();
    await turn();
  }
  expect(ids(kept.events)).toBe("abc");
});

test("a required number of sinks is waited for, and no more", async () => {
  const slow = new BlackHole();
  const { audit, timers } = fanOut([new Kept(), new Kept(), slow], { require: 2 });
  await audit.record(event("a"));
  expect(timers.pending).toEqual([5000]); // the slow sink's own limit alone
  const { audit: three } = fanOut([new Kept(), new Kept(), slow], { require: 3 });
  let settled = false;
  const kept = three.record(event("a"))?.then(() => {
    settled = true;
  });
  await turn();
  expect(settled).toBe(false);
  slow.answer();
  await kept;
});

test("where too few answer in time, the event is refused", async () => {
  const { audit, timers } = fanOut([new Kept(), new BlackHole()], { require: 2, waitMs: 200 });
  const refused = expect(audit.record(event("a"))).rejects.toMatchObject({
    code: "audit_unavailable",
    message: "1 audit sinks had kept the event in time, not 2.",
  });
  await timers.pass(199);
  await timers.pass(1);
  await refused;
});

test("where it is known that too few work, the refusal comes at once, and goes away with the trouble", async () => {
  const broken = new Kept();
  broken.trouble = new Error("broken");
  const { audit, timers } = fanOut([new Kept(), broken], { require: 2 });
  const first = expect(audit.record(event("a"))).rejects.toMatchObject({ code: "audit_unavailable" });
  await timers.pass(0);
  await timers.pass(2000);
  await first;
  await expect(audit.record(event("b"))).rejects.toMatchObject({ code: "audit_unavailable" });
  broken.trouble = undefined;
  await timers.pass(30_000);
  await audit.record(event("c"));
  expect(ids(broken.events)).toBe("abc");
});

test("it can be a sink of another one, and closes all of its own", async () => {
  const sinks = [new Kept(), new Kept()];
  const { audit: inner } = fanOut(sinks, { require: 2 });
  const { audit: outer } = fanOut([inner], { require: 1 });
  await outer.record(event("a"));
  expect(sinks.map(({ events }) => ids(events))).toEqual(["a", "a"]);
  await outer.close();
  expect(sinks.map(({ closed }) => closed)).toEqual([1, 1]);
});

test.each([
  [[{} as AuditSink], {}],
  [[new Kept()], { require: 2 }],
  [[new Kept()], { require: -1 }],
  [[new Kept()], { require: 0.5 }],
  [[new Kept()], { waitMs: 0 }],
  [[new Kept()], { capacity: Number.NaN }],
])("options that make no sense are refused: %j %j", (sinks, options) => {
  expect(() => fanOut(sinks, options)).toThrow(TypeError);
});

test("who asks learns that an event was kept, even after it was given up, or found no place", async () => {
  const sink = new Kept();
  sink.trouble = new Error("full");
  const { audit, timers } = fanOut([sink], { require: 1, capacity: 2 });
  const ended: [string, boolean][] = [];
  const record = (id: string) =>
    expect(audit.record(event(id), (kept) => ended.push([id, kept]))).rejects.toThrow("0 audit sinks");
  expect([audit.working, audit.hasSinks]).toEqual([true, true]);
  await Promise.all([record("a"), turn().then(() => timers.pass(2000))]);
  await record("b");
  await record("c");
  expect(audit.working).toBe(false);
  expect(ended).toEqual([["c", false]]);
  sink.trouble = undefined;
  await timers.pass(5000);
  expect(ended).toEqual([
    ["c", false],
    ["a", true],
    ["b", true],
  ]);
  expect(audit.working).toBe(true);
  expect(new FanOutAuditSink([]).hasSinks).toBe(false);
});
