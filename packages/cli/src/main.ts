import { createRequire } from "node:module";
import { findVerb, type VerbGroup } from "./find-verb.js";
import { verbs } from "./verbs.js";

/** Runs `amesh` and ends the process with its exit status. */
export function runAsProgram(argv: readonly string[]): void {
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    // Whoever read the output has gone (`amesh list | head -1`): there is nobody left to tell.
    if (code !== "EPIPE") process.stderr.write(`amesh: error: standard output cannot be written: ${code}\n`);
    process.exit(1);
  });
  // A write that failed is reported above, and there is no status then.
  void main(argv).then((status) => process.stdout.write("", (error) => error ?? process.exit(status)));
}

/**
 * Everything but the two questions about amesh itself is imported only when it is needed.
 *
 * @returns the exit status: 0 done, 1 error, 2 usage, 3 denied, 4 not set up or expired, 5 unreachable
 */
async function main(argv: readonly string[]): Promise<number> {
  const [first = "help", ...rest] = argv;
  const json = argv.includes("--json");
  try {
    if (["--version", "-v"].includes(first)) return printVersion(json);
    if (["--help", "-h", "help"].includes(first)) return await printHelp(rest);
    return await run(argv);
  } catch (error) {
    const { reportFailure } = await import("./failure-report.js");
    return reportFailure(error, { json });
  }
}

function printVersion(json: boolean): number {
  const { version } = createRequire(import.meta.url)("../package.json") as { version: string };
  process.stdout.write(json ? `${JSON.stringify({ schema: 1, version })}\n` : `${version}\n`);
  return 0;
}

async function printHelp(words: readonly string[]): Promise<number> {
  const { formatGroup, formatManual, formatOverview } = await import("./manual.js");
  const named = words[0] === undefined || words[0].startsWith("-") ? undefined : await findVerb(words);
  if (named === undefined) process.stdout.write(formatOverview(verbs));
  else if ("group" in named) process.stdout.write(formatGroup(named.group));
  else process.stdout.write(formatManual(named.verb, (await named.verb.load()).verb.manual));
  return 0;
}

async function run(argv: readonly string[]): Promise<number> {
  const named = await findVerb(argv);
  if ("group" in named) return runGroup(named.group, named.rest);
  const [{ verb }, { readCall }] = await Promise.all([named.verb.load(), import("./call.js")]);
  const call = readCall(named.verb, verb.manual, named.rest);
  return call === "help" ? printHelp(argv) : ((await verb.run(call)) ?? 0);
}

/** A group does nothing by itself: what it could do is its manual, asked for or not. */
async function runGroup(group: VerbGroup, argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) return printHelp([group.name]);
  if (argv.includes("--json")) throw (await import("./unknown-command.js")).commandMissing(group);
  process.stderr.write((await import("./manual.js")).formatGroup(group));
  return 2;
}
