import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export interface Child {
  readonly process: ChildProcess;
  /** The lines of its standard output so far. */
  readonly lines: readonly string[];
  /** The next line; undefined once it has ended. */
  nextLine(): Promise<string | undefined>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Starts a script of a folder, by default of this one; it is killed when the test ends. */
export function start(
  script: string,
  args: readonly (string | number)[],
  folder: string = import.meta.url,
): Child {
  const path = fileURLToPath(new URL(script, folder));
  const child = spawn(process.execPath, [path, ...args.map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const iterator = reader[Symbol.asyncIterator]();
  reader.on("line", (line) => lines.push(line));
  return {
    process: child,
    lines,
    nextLine: async () => (await iterator.next()).value,
    ended: new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal ?? "?"))),
  };
}
