import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, vi } from "vitest";

/** Takes the time-outs of what runs in this test into the test's own hand. Sockets and files go on as ever. */
export function holdTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** Lets so many seconds pass, and expects that `ended` settles only then. */
export async function endsAfter<T>(seconds: number, ended: Promise<T>): Promise<T> {
  const isOpen = watch(ended);
  await turns();
  vi.advanceTimersByTime((seconds - 1) * 1000);
  await turns();
  expect(isOpen()).toBe(true);
  vi.advanceTimersByTime(1000);
  return ended;
}

/** Long enough for everything that waits for nothing but this process. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

function watch(ended: Promise<unknown>): () => boolean {
  let open = true;
  const close = () => {
    open = false;
  };
  ended.then(close, close);
  return () => open;
}
