/**
 * npm run test:faults: breaks the real processes, one fault after the other, under traffic and attack, and ends with a
 * table. --json FILE writes it there, too; further arguments go to vitest: -t "SIGKILL of relay".
 */
import { resolve } from "node:path";
import { provideComponents } from "./components.js";
import { fail } from "./flags.js";
import { run } from "./run.js";
import { build, install } from "./setup.js";

const given = process.argv.slice(2);
const at = given.indexOf("--json");
const [, file] = at < 0 ? [] : given.splice(at, 2);
if (at >= 0 && file === undefined) fail("--json needs a file", "npm run test:faults -- --json FILE");

await install();
await build();
await provideComponents();

const json = file === undefined ? {} : { AMESH_FAULTS_JSON: resolve(file) };
process.exitCode = await run(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--project",
    "faults",
    "--maxWorkers=1",
    "--reporter=verbose",
    ...given,
  ],
  { env: { ...process.env, AMESH_TEST_FAULTS: "1", ...json } },
);
