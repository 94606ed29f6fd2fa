import { AmeshError, type AuditSink } from "@authmesh/core";
import { expect, test } from "vitest";
import { AuditQueue, type AuditQueueOptions } from "../../src/audit/audit-queue.js";
import { BlackHole, event, ids, Kept, listening, TestTimers, turn } from "./fixture.js";

function newQueue(sink: AuditSink, more: Partial<AuditQueueOptions> = {}) {
  const { logger, lines } = listening();
  const timers = new TestTimers();
  const queue = new AuditQueue({ sink, logger, schedule: timers.schedule, ...more });
  return { queue, lines, timers };
}

test("events come in order, in batches, one write at a time", async () => {
  let release = () => {};
  const sizes: number[] = [];
  let writing = 0;
  const sink: AuditSink = {
    async write(events) {
      expect(++writing).toBe(1);
      sizes.push(events.length);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      writing--;
    },
  };
  const { queue } = newQueue(sink);
  for (let i = 0; i < 3; i++) queue.push(event(String(i)));
  await turn();
  for (let i = 0; i < 700; i++) queue.push(event(String(i)));
  for (let i = 0; i < 3; i++) {
    release();
    await turn();
  }
  expect(sizes).toEqual([3, 500, 200]);
});

test("a sink that fails is tried again, later each time, and nothing that waited is lost or doubled", async () => {
  const sink = new Kept();
  sink.trouble = Object.assign(new Error("redis://:secret@host"), { code: "ECONNREFUSED" });
  const { queue, lines, timers } = newQueue(sink);
  queue.push(event("a"));
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    await turn();
    expect(queue.working).toBe(false);
    queue.push(event(String(i)));
    pauses.push(...timers.pending);
    await timers.pass(timers.pending[0] as number);
  }
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(lines[0]).toMatch(/^the audit sink failed .*ECONNREFUSED/);
  expect(lines.join()).not.toContain("secret");
  sink.trouble = undefined;
  await timers.pass(30_000);
  expect(ids(sink.events)).toBe("a01234567");
  expect(lines.at(-1)).toMatch(/^the audit sink works again/);
  expect(queue.working).toBe(true);
  expect(timers.pending).toEqual([]);
});

test("a flood of callers that proved nothing pushes out no event of a device, and what is left out is counted", async () => {
  const sink = new Kept();
  sink.trouble = new AmeshError("storage_failed", "The disk is full.");
  const { queue, lines, timers } = newQueue(sink, { capacity: 8 });
  for (let i = 0; i < 100; i++) queue.push(event("u", false));
  for (const id of "abcdef") queue.push(event(id));
  await turn();
  expect(lines[0]).toContain("The disk is full.");
  sink.trouble = undefined;
  await timers.pass(500);
  expect(ids(sink.events)).toBe("uuuuabcd");
  expect(lines.find((line) => line.includes("left out:"))).toMatch(/^98 audit events were left out/);
});

test("a sink that gives no answer is told that nobody waits, and gets no second write meanwhile", async () => {
  const sink = new BlackHole();
  const { queue, lines, timers } = newQueue(sink, { timeoutMs: 100 });
  queue.push(event("a"));
  await turn();
  await timers.pass(99);
  expect([sink.signals[0]?.aborted, queue.working]).toEqual([false, true]);
  await timers.pass(1);
  expect([sink.signals[0]?.aborted, queue.working]).toEqual([true, false]);
  expect(lines[0]).toMatch(/^the audit sink does not answer/);
  for (let i = 0; i < 3; i++) {
    queue.push(event("b"));
    await timers.pass(60_000);
  }
  expect(sink.signals).toHaveLength(1);
  sink.answer();
  await turn();
  expect([sink.signals.length, queue.working]).toEqual([2, true]);
});

test("when it is closed, what waits is written, even in the pause after a failure, and the sink is closed", async () => {
  const sink = new Kept();
  sink.trouble = new Error("away");
  const { queue } = newQueue(sink);
  queue.push(event("a"));
  await turn();
  sink.trouble = undefined;
  await queue.close();
  expect([ids(sink.events), sink.closed]).toEqual(["a", 1]);
  expect(queue.push(event("b"))).toBe(false);
});

test("a sink that gives no answer keeps nothing from closing, and the log says what was lost", async () => {
  const { queue, lines, timers } = newQueue(new BlackHole(), { timeoutMs: 100 });
  queue.push(event("a"));
  await turn();
  const closed = queue.close();
  await timers.pass(100);
  await closed;
  expect(lines.at(-1)).toMatch(/^1 audit events were left out/);
});
