/**
 * npm run bench: every file of bench/ that answers a question, one after another, or those named as arguments. Those that
 * take --smoke only see that they run.
 */
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { reportMissing } from "./components.js";
import { mustRun, root, run } from "./run.js";
import { build, install } from "./setup.js";

const compiled = "bench/dist/bench";
const notQuestions = [
  "adapter-servers",
  "authority-database",
  "authority-processes",
  "compare",
  "enrolling-authority",
  "feed-authority",
  "feed-verifiers",
  "first-request",
  "fleet-processes",
  "gateway-processes",
  "gateway-stage",
  "http-load",
  "incoming-request",
  "key-object",
  "measured-servers",
  "relay-pairing",
  "relay-processes",
  "relay-side",
  "roles",
  "slow-tpm",
  "soak-report",
  "starting-authority",
  "trusted-caller",
  "trusted-devices",
  "wrk",
];
/** Packages of the components that a question needs. */
const needs = {
  "authority-start": ["postgresql"],
  "enrolled-rows": ["postgresql"],
  enrollment: ["postgresql"],
  fleet: ["redis-server", "wrk"],
  gateway: ["nginx-light", "wrk"],
  "gateway-soak": ["nginx-light", "wrk"],
  "gateway-web-sockets": ["nginx-light"],
  "hardware-keys": ["swtpm", "tpm2-tools", "softhsm2", "gnome-keyring"],
  "redis-nonce-store": ["redis-server"],
  relay: ["redis-server"],
  soak: ["redis-server", "wrk"],
};

await install();
await build();
await mustRun(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "bench"]);

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const wanted = process.argv.slice(2).filter((argument) => !flags.includes(argument));
const questions = readdirSync(`${root}/${compiled}`)
  .filter((file) => file.endsWith(".js"))
  .map((file) => file.replace(/\.js$/, ""))
  .filter((name) => !notQuestions.includes(name) && (wanted.length === 0 || wanted.includes(name)));
if (questions.some((name) => needs[name] && reportMissing(needs[name]))) process.exit(1);
console.log(
  `Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}\n`,
);
let status = 0;
for (const name of questions) {
  status ||= await run(process.execPath, ["--expose-gc", `${compiled}/${name}.js`, ...flags]);
  console.log();
}
process.exitCode = status;
