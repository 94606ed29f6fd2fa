/**
 * Makes a fresh clone ready: installs what package-lock.json names, when that changed since the last time, and with
 * --build compiles every package. Needs Node.js and npm, nothing else.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun, root, run } from "./run.js";

const [major, minor] = process.versions.node.split(".").map(Number);
const oldest = [20, 19];

export async function install() {
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    console.error(`amesh: error: Node.js ${process.versions.node} is too old`);
    console.error(`amesh: hint: install Node.js ${oldest.join(".")} or later`);
    process.exit(1);
  }
  const stamp = join(root, "node_modules", ".amesh-setup");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("amesh: installing dependencies (npm ci)");
  await npm("ci");
  writeFileSync(stamp, wanted);
}

/** Runs npm quietly, and ends this program when it fails. */
export async function npm(...args) {
  const status = await tryNpm(...args);
  if (status === 0) return;
  console.error(`amesh: error: npm ${args.join(" ")} ended with status ${status}`);
  process.exit(status);
}

/**
 * Runs npm quietly; resolves to its exit status. What is compiled takes the headers that came with Node.js, where they
 * did, and downloads none.
 */
export function tryNpm(...args) {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, "include", "node", "node_api.h")) && { npm_config_nodedir: prefix };
  return run(
    process.platform === "win32" ? "npm.cmd" : "npm",
    [...args, "--no-fund", "--no-audit", "--loglevel=error"],
    { stdio: ["ignore", 2, 2], env: { ...process.env, ...headers } },
  );
}

export async function build() {
  await mustRun(process.execPath, [
    join(root, "node_modules/typescript/bin/tsc"),
    "-b",
    "tsconfig.build.json",
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await install();
  if (process.argv.includes("--build")) await build();
}
