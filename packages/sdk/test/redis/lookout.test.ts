import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Lookout } from "../../src/redis/lookout.js";

const pauses = { calmMs: 5000, uneasyMs: 1000 };

describe("a lookout", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("rests long after a look that found calm, and shortly after one that did not, or that failed", async () => {
    const answers = [async () => true, async () => false, () => Promise.reject(new Error("away"))];
    const times: number[] = [];
    const lookout = new Lookout(() => {
      times.push(Date.now());
      return (answers[times.length - 1] ?? (async () => true))();
    }, pauses);
    const began = Date.now();
    await vi.advanceTimersByTimeAsync(17_000);
    expect(times.map((time) => time - began)).toEqual([5000, 10_000, 11_000, 12_000, 17_000]);
    lookout.stop();
  });

  it("looks at once when called, one look at a time, and once more if called during a look", async () => {
    const ends: (() => void)[] = [];
    const lookout = new Lookout(() => new Promise((resolve) => ends.push(() => resolve(true))), pauses);
    lookout.call();
    for (let i = 0; i < 3; i++) lookout.call();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await vi.advanceTimersByTimeAsync(4999);
    expect(ends).toHaveLength(2);
    lookout.stop();
  });

  it("is over when it is stopped, also in the middle of a look", async () => {
    const ends: (() => void)[] = [];
    const lookout = new Lookout(() => new Promise((resolve) => ends.push(() => resolve(true))), pauses);
    lookout.call();
    lookout.stop();
    lookout.call();
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ends).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("a lookout keeps no process alive", () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const lookout = new Lookout(async () => true, pauses);
  expect(timers()).toBe(before);
  lookout.stop();
});
