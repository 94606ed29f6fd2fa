/** npm run bench: every file of bench/ that answers a question, one after another, or those named as arguments. */
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { mustRun, root, run } from "./run.js";
import { build, install } from "./setup.js";

const notQuestions = ["compare.js", "trusted-devices.js"];

await install();
await build();
await mustRun(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "bench"]);

const wanted = process.argv.slice(2);
const questions = readdirSync(`${root}/bench/dist`)
  .filter((file) => file.endsWith(".js") && !notQuestions.includes(file))
  .filter((file) => wanted.length === 0 || wanted.includes(file.replace(/\.js$/, "")));
console.log(
  `Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}\n`,
);
let status = 0;
for (const file of questions) {
  status ||= await run(process.execPath, ["--expose-gc", `bench/dist/${file}`]);
  console.log();
}
process.exitCode = status;
