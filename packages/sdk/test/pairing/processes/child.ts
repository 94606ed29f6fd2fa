import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const script = fileURLToPath(new URL("pair.js", import.meta.url));

/** Child processes run what is built; nothing happens when it is up to date. */
export function build(): void {
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-b", "packages/sdk"], { cwd: root });
}

export interface Child {
  /** The next line of its standard output, parsed. */
  next(): Promise<{ readonly event?: string; readonly code?: string; readonly error?: string }>;
  type(line: string): void;
  /** SIGKILL; settles when it is gone. */
  kill(): Promise<void>;
  /** Its exit code, and everything it wrote. */
  readonly ended: Promise<{ readonly exit: number | null; readonly out: string; readonly err: string }>;
}

/** One side of a pairing as a process of its own. */
export function start(...args: readonly string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "close").then(([exit]) => ({ exit: exit as number | null, out, err }));
  return {
    next: async () => JSON.parse((await lines.next()).value ?? `{"error":${JSON.stringify(err)}}`),
    type: (line) => void child.stdin.write(`${line}\n`),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    ended,
  };
}
