/** How long until the command line answers? Against Node.js starting and doing nothing. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median, print } from "./compare.js";

const amesh = fileURLToPath(new URL("../../../packages/cli/bin/amesh.js", import.meta.url));
const rounds = 21;
const times = { amesh: [] as number[], node: [] as number[] };
for (let round = 0; round <= rounds; round++) {
  const [ameshTime, nodeTime] = [time([amesh, "--version"]), time(["-e", "0"])];
  if (round === 0) continue; // fills the disk cache
  times.amesh.push(ameshTime);
  times.node.push(nodeTime);
}
const ratio = median(times.amesh.map((ours, round) => ours / (times.node[round] as number)));
print("Start of the command line", {
  "amesh --version": `${median(times.amesh).toFixed(0)} ms`,
  "node -e 0": `${median(times.node).toFixed(0)} ms`,
  ratio: `${ratio.toFixed(2)} (aim: under 3)`,
});

function time(args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(String(stderr));
  return performance.now() - start;
}
