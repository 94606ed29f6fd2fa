import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../fixtures/fake-clock.js";
import type { Environment } from "./environment.js";
import type { Fault } from "./fault.js";
import { maxStale } from "./launches.js";

const twoHours = 7200;

/** One instance of the API goes by a clock that can be set. */
export const wrongClock: Environment = {
  name: "of the clock",
  async open(ended) {
    const folder = mkdtempSync(join(tmpdir(), "amesh-clock-"));
    ended(async () => rmSync(folder, { recursive: true }));
    const clock = new FakeClock(join(folder, "clock"));
    const step = (name: string, seconds: number): Fault => ({
      name: `clock of api-2 two hours ${name}`,
      disturbs: [],
      // By a clock that is behind, the feed's heads are of the future: the copy is relied on until it is too old.
      degrades: ["api-2"],
      servesSeconds: 0,
      refuses: { "api-2": ["clock_skew", "trust_stale", "token_expired", "token_not_yet_valid"] },
      cutsOff: ["api-2"],
      seconds: maxStale + 6,
      recoverySeconds: 30,
      begin: async () => clock.step(seconds),
      end: async () => clock.step(0),
    });
    return {
      stage: { parts: { "api-2": { env: clock.env } } },
      faults: [step("ahead", twoHours), step("behind", -twoHours)],
    };
  },
};
