/**
 * npm run bench: every file of bench/ that answers a question, one after another, or those named as arguments. Those that
 * take --smoke only see that they run. --help lists them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { reportMissing } from "./components.js";
import { fail } from "./flags.js";
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

/** All questions by name, each as its file begins. @returns {Map<string, string>} */
function allQuestions() {
  const files = readdirSync(`${root}/bench`).filter((file) => file.endsWith(".ts"));
  const names = files.map((file) => file.replace(/\.ts$/, "")).filter((name) => !notQuestions.includes(name));
  return new Map(names.map((name) => [name, questionOf(readFileSync(`${root}/bench/${name}.ts`, "utf8"))]));
}

/** The first sentence of the comment at the top. @param {string} source */
function questionOf(source) {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? "";
  const text = comment.replace(/\n? \* ?/g, " ").trim();
  return /^.*?[.?](?= |$)/.exec(text)?.[0] ?? text;
}

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const wanted = process.argv.slice(2).filter((argument) => !flags.includes(argument));
const all = allQuestions();
if (flags.includes("--help")) {
  const lines = [...all].map(([name, question]) => `  ${name.padEnd(20)} ${question}`);
  console.log(
    `npm run bench -- [NAME…] [--smoke]\n\nWithout a name: all of them, for hours.\n\n${lines.join("\n")}`,
  );
  process.exit();
}
const unknown = wanted.filter((name) => !all.has(name));
if (unknown.length > 0) fail(`there is no bench ${unknown.join(", ")}`, "npm run bench -- --help lists them");

await install();
await build();
await mustRun(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "bench"]);

const questions = wanted.length > 0 ? wanted : [...all.keys()];
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
