/** npm run test:timing: whether the time of a check tells how much of a guess at a secret is right (test/timing). */
import { run } from "./run.js";

process.exitCode = await run(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "--project", "timing", ...process.argv.slice(2)],
  { env: { ...process.env, AMESH_TEST_SLOW: "1" } },
);
