import { expect, it, vi } from "vitest";
import { Repetition } from "../src/repetition.js";

it("work that fails is told of once, and so is that it is done again, as loud as by default anything is shown", async ({
  onTestFinished,
}) => {
  const lines: string[] = [];
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  let runs = 0;
  const repetition = new Repetition({
    work: async () => {
      if (++runs <= 2) throw new RangeError("no");
    },
    everyMs: 1,
    words: { failed: "it fails", recovered: "it works again" },
    logger: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
  });
  onTestFinished(() => repetition.close());
  repetition.start();
  await vi.waitUntil(() => runs > 3, { interval: 1 });
  expect(lines).toEqual([expect.stringMatching(/^error: it fails: RangeError: no/), "warn: it works again"]);
});
