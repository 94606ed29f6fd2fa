/** npm test: installs, builds, brings what the tests need, and runs them. Further arguments go to vitest. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provideComponents } from "./components.js";
import { root, run } from "./run.js";
import { build, install } from "./setup.js";

await install();
await build();
await provideComponents();

const folder = mkdtempSync(join(tmpdir(), "amesh-test-"));
const report = join(folder, "report.json");
const status = await run(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root },
);
const { numPassedTests = 0, numFailedTests = 0 } = readReport();
rmSync(folder, { recursive: true });
console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
process.exitCode = status;

function readReport() {
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return {};
  }
}
