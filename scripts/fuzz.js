/**
 * npm run fuzz [-- --seconds N] [--only NAME …] [--seed N]: feeds every parser of the product (test/fuzz/targets.ts) with
 * inputs that are nearly good, N seconds each (3). An input that shows a fault is made small and kept in test/fuzz/corpus,
 * where npm test finds it. Ends with a table; exit status 1 where there was a fault.
 */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { rolldown } from "rolldown";
import { fail, readFlags } from "./flags.js";
import { root } from "./run.js";
import { build, install } from "./setup.js";

/** Milliseconds after which an input is taken for one that never ends. */
const forever = 15_000;
const corpus = join(root, "test/fuzz/corpus");
const built = join(root, "test/fuzz/dist");

const usage = `npm run fuzz -- [--seconds N] [--only NAME …] [--seed N]
  --seconds N   for each parser; default 3
  --only NAME   this parser alone, as the table names it; may be given again
  --seed N      the same inputs again`;
const values = readFlags(usage, {
  seconds: { type: "string", default: "3" },
  seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  only: { type: "string", multiple: true },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
if (!(seconds > 0) || !Number.isSafeInteger(seed)) fail("--seconds and --seed take numbers", usage);

await install();
await build();
await bundle();
const { targets } = await import(join(built, "targets.js"));
const { keep } = await import(join(built, "corpus.js"));
const unknown = values.only?.filter((name) => !targets.some((target) => target.name === name)) ?? [];
if (unknown.length > 0) fail(`there is no parser ${unknown.join(", ")}`, usage);
const chosen = targets.filter(({ name }) => values.only?.includes(name) ?? true);

const minutes = Math.ceil((chosen.length * seconds) / 60);
console.log(`${chosen.length} parsers, ${seconds} s each: about ${minutes} min in all, seed ${seed}\n`);
const rows = [];
for (const target of chosen) {
  const { runs, fault, kept } = await fuzz(target);
  const rate = String(Math.round(runs / seconds)).padStart(7);
  console.log(`${target.name.padEnd(28)} ${String(runs).padStart(9)} ${rate}/s  ${fault ? "FAULT" : "OK"}`);
  if (fault !== undefined) console.log(`\n${fault}\n${kept ? `kept in ${kept}\n` : ""}`);
  rows.push({ runs, fault });
}
const faults = rows.filter(({ fault }) => fault !== undefined).length;
const all = rows.reduce((sum, { runs }) => sum + runs, 0);
console.log(`\n${chosen.length} parsers, ${all} inputs, ${faults} with a fault (seed ${seed})`);
process.exitCode = faults === 0 ? 0 : 1;

/** The sources, not what is built of them: parsers are not exported. */
async function bundle() {
  const builder = await rolldown({
    cwd: root,
    input: { worker: "test/fuzz/worker.ts", targets: "test/fuzz/targets.ts", corpus: "test/fuzz/corpus.ts" },
    platform: "node",
    external: (id) => !/^[./#]|^@authmesh\//.test(id),
    resolve: {
      conditionNames: ["@authmesh/source", "node", "import"],
      extensionAlias: { ".js": [".ts", ".js"] },
    },
  });
  await builder.write({ dir: built, sourcemap: "inline" });
  await builder.close();
}

/** @returns {Promise<{ runs: number, fault?: string, kept?: string }>} */
function fuzz(target) {
  const progress = new SharedArrayBuffer(8 + (1 << 21));
  const counts = new Int32Array(progress, 0, 2);
  const workerData = { name: target.name, corpus, seconds, seed, progress };
  const worker = new Worker(join(built, "worker.js"), {
    workerData,
    execArgv: ["--enable-source-maps"],
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  return new Promise((resolve) => {
    let [seen, since] = [0, performance.now()];
    const end = (outcome) => {
      clearInterval(watch);
      void worker.terminate().then(() => resolve(outcome));
    };
    const stuck = (fault) => {
      const units = new Uint16Array(progress, 8, counts[1]);
      const input = Array.from(units, (unit) => String.fromCharCode(unit)).join("");
      end({ runs: counts[0], fault, kept: keep(corpus, target, input) });
    };
    const watch = setInterval(() => {
      if (counts[0] !== seen) [seen, since] = [counts[0], performance.now()];
      else if (seen > 0 && performance.now() - since > forever) stuck("never ends");
    }, 500);
    worker.once("message", end);
    worker.once("error", (error) => stuck(`ended the process: ${error.stack ?? error}`));
  });
}
