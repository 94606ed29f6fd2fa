import { createRequire } from "node:module";
import { type VerbRow, verbs } from "./verbs.js";

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
    return await runVerb(await findVerb(first), rest);
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

async function printHelp([name]: readonly string[]): Promise<number> {
  const { formatManual, formatOverview } = await import("./manual.js");
  const row = name === undefined || name.startsWith("-") ? undefined : await findVerb(name);
  const text = row === undefined ? formatOverview(verbs) : formatManual(row, (await row.load()).verb.manual);
  process.stdout.write(text);
  return 0;
}

async function runVerb(row: VerbRow, argv: readonly string[]): Promise<number> {
  const [{ verb }, { readCall }] = await Promise.all([row.load(), import("./call.js")]);
  const call = readCall(row, verb.manual, argv);
  return call === "help" ? printHelp([row.name]) : ((await verb.run(call)) ?? 0);
}

async function findVerb(name: string): Promise<VerbRow> {
  const row = verbs.find((candidate) => candidate.name === name);
  if (row !== undefined) return row;
  const { unknownCommand } = await import("./unknown-command.js");
  throw unknownCommand(name, verbs);
}
