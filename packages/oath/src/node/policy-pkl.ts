import { spawn } from "node:child_process";
import { dirname, resolve } from "node:path";
import { AmeshError, quoteForeign } from "@authmesh/core";
import { maxPolicyBytes } from "../policy/policy-text.js";

export interface PklOptions {
  /** The command that evaluates `.pkl` files, or its path. Default "pkl". */
  readonly pkl?: string | undefined;
  /** Seconds that one evaluation may take. Default 10. */
  readonly pklTimeoutSeconds?: number | undefined;
}

const maxErrorBytes = 4096;

/**
 * Evaluates a Pkl module to JSON with the `pkl` command, 0.26 or later. The module sees the files of its own folder and
 * below, and Pkl's own library; no environment, no other resource, no network.
 *
 * @returns the JSON text, which nobody has looked at yet
 * @throws AmeshError `policy_invalid`
 */
export async function evaluatePkl(path: string, options: PklOptions = {}): Promise<string> {
  const { pkl = "pkl", pklTimeoutSeconds = 10 } = options;
  const module = resolve(path);
  const { stdout, stderr, status } = await run(pkl, argumentsFor(module), pklTimeoutSeconds, path);
  if (status === 0) return stdout;
  throw invalid(
    `${path} cannot be evaluated: ${quoteForeign(firstLine(stderr))}.`,
    "Evaluate it with `pkl eval`, which says more.",
  );
}

const argumentsFor = (module: string): readonly string[] => [
  "eval",
  "--format=json",
  "--color=never",
  "--no-cache",
  "--no-project",
  "--omit-project-settings",
  `--root-dir=${dirname(module)}`,
  "--allowed-modules=^pkl:,^file:",
  // The one property by which pkl itself passes on the format.
  "--allowed-resources=^prop:pkl\\.outputFormat$",
  // A module that is not allowed is fetched all the same before it is refused. Nobody listens there.
  "--http-proxy=http://127.0.0.1:1",
  module,
];

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  /** Null where a signal ended it. */
  readonly status: number | null;
}

function run(command: string, args: readonly string[], timeoutSeconds: number, path: string): Promise<Ended> {
  return new Promise((fulfil, reject) => {
    const child = spawn(command, args, {
      cwd: "/",
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    });
    const giveUp = (error: AmeshError) => {
      child.kill("SIGKILL");
      reject(error);
    };
    const timer = setTimeout(
      () =>
        giveUp(invalid(`${path}: pkl did not end within ${timeoutSeconds} s.`, "Make the module simpler.")),
      timeoutSeconds * 1000,
    );
    const stdout = collect(child.stdout, maxPolicyBytes, () =>
      giveUp(invalid(`${path} evaluates to more than ${maxPolicyBytes} bytes.`, "Write less.")),
    );
    const stderr = collect(child.stderr, maxErrorBytes, () => {});
    child.on("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(notStarted(command, path, cause));
    });
    child.on("close", (status) => {
      clearTimeout(timer);
      fulfil({ stdout: stdout(), stderr: stderr(), status });
    });
  });
}

/** Keeps at most so many bytes, and reads on. @returns what was kept, as text */
function collect(stream: NodeJS.ReadableStream, maxBytes: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    if (length + chunk.length > maxBytes) tooMuch();
    const kept = chunk.subarray(0, maxBytes - length);
    length += kept.length;
    chunks.push(kept);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function notStarted(command: string, path: string, cause: NodeJS.ErrnoException): AmeshError {
  const detail = `${path} cannot be evaluated: the command ${quoteForeign(command)} cannot be run (${cause.code}).`;
  return new AmeshError("policy_invalid", detail, {
    fix: "Install pkl (https://pkl-lang.org) so that it is in the PATH, or write the policy in YAML or JSON.",
    cause,
  });
}

/** What pkl says is wrong stands below a heading. */
const firstLine = (text: string): string =>
  text.split("\n").find((line) => line !== "" && !line.includes("Pkl Error")) ?? "it says nothing";

const invalid = (detail: string, fix: string): AmeshError =>
  new AmeshError("policy_invalid", detail, { fix });
