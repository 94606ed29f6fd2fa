/**
 * npm run test:all: npm test, what takes too long for it, the faults, the packages as users get them, timing, and the
 * runtime matrix: the adapters and core on another Node.js, on Bun and on Deno, which come from npm into a temporary folder. Ends with a table of what ran on what.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.js";
import { tryNpm } from "./setup.js";
import { printTable } from "./table.js";

const vitest = "node_modules/vitest/vitest.mjs";
const native = "packages/sdk/test/adapters/native.ts";
const adapters = ["run", "--project", "sdk", "packages/sdk/test/adapters", "packages/sdk/test/fetch.test.ts"];
const core = ["run", "--project", "core"];
const folder = mkdtempSync(join(tmpdir(), "amesh-runtimes-"));
const bin = (name) => join(folder, "node_modules", ".bin", name);

/** A program, the package it comes in, and what it is asked to run: a title and the arguments. */
const runtimes = [
  {
    name: "Node.js",
    package: "node@24.21.0",
    program: bin("node"),
    runs: [
      ["the adapters", [vitest, ...adapters]],
      ["core", [vitest, ...core]],
    ],
  },
  {
    name: "Bun",
    package: "bun@1.4.5",
    program: bin("bun"),
    runs: [
      ["/fetch and /hono on Bun.serve", [native]],
      ["core", ["--bun", vitest, ...core]],
    ],
  },
  {
    name: "Deno",
    package: "deno@2.9.6",
    program: bin("deno"),
    runs: [
      [
        "/fetch and /hono on Deno.serve",
        ["run", "--allow-all", "--node-modules-dir=manual", "--unstable-sloppy-imports", native],
      ],
      // Deno's worker threads know no removeAllListeners, by which Vitest takes its leave of one that has ended.
      [
        "core",
        ["run", "--allow-all", vitest, ...core, "--pool=threads", "--dangerouslyIgnoreUnhandledErrors"],
      ],
    ],
  },
];

/** @type {{ what: string, on: string, outcome: string }[]} */
const results = [];
const here = `Node.js ${process.versions.node}`;

async function record(what, on, program, args, options) {
  console.error(`\namesh: ${what} on ${on}`);
  const status = await run(program, args, options);
  results.push({ what, on, outcome: status === 0 ? "OK" : `FAIL (status ${status})` });
}

try {
  await record("npm test", here, process.execPath, ["scripts/test.js"]);
  await record("npm run check:packages", here, process.execPath, ["scripts/check-packages.js"]);
  await record(
    "Next.js: the example, the adapters' table",
    here,
    process.execPath,
    [vitest, "run", "--project", "slow"],
    {
      env: { ...process.env, AMESH_TEST_SLOW: "1" },
    },
  );
  await record("faults", here, process.execPath, ["scripts/test-faults.js"]);
  await record("timing of checks of secrets", here, process.execPath, ["scripts/test-timing.js"]);
  for (const { name, package: source, program, runs } of runtimes) {
    await tryNpm("install", "--prefix", folder, "--no-save", source);
    const version = versionOf(program);
    if (version === undefined) {
      const outcome = `FAIL (missing; \`npm install ${source}\` must work on this machine)`;
      results.push({ what: runs.map(([what]) => what).join(", "), on: name, outcome });
      continue;
    }
    for (const [what, args] of runs) await record(what, `${name} ${version}`, program, args);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log();
printTable(results);
process.exitCode = results.every(({ outcome }) => outcome === "OK") ? 0 : 1;

/** "24.21.0"; nothing for a program that does not run. */
function versionOf(program) {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? /\d+\.\d+\.\d+/.exec(stdout)?.[0] : undefined;
}
