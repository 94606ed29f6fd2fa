import type { Writable } from "node:stream";
import { AmeshError, lookUp } from "@authmesh/core";
import type { Environment } from "@authmesh/keystore";
import { completeOptions } from "./authority-options.js";
import { asUsage, helpText, readArguments } from "./command-line.js";
import { type Authority, createAuthority } from "./create-authority.js";
import { servedAudit } from "./served-audit.js";

/** What a run of the authority takes from the process around it. */
export interface AuthorityRun {
  /** How the person called it, for the help text. Default: `"authmesh-authority"`. */
  readonly command?: string;
  /** Default: `process.env`. */
  readonly env?: Environment;
  /** Default: `process.stdout`. */
  readonly stdout?: Writable;
  /** Default: `process.stderr`. */
  readonly stderr?: Output;
  /** What `SIGTERM` and `SIGINT` arrive at. Default: `process`. */
  readonly signals?: Signals;
}

interface Output {
  write(text: string): unknown;
}

interface Signals {
  on(name: SignalName, listener: () => void): unknown;
  off(name: SignalName, listener: () => void): unknown;
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;
type SignalName = keyof typeof signalNumbers;

/**
 * Runs an authority until a signal stops it: the program behind `authmesh-authority` and `amesh authority serve`.
 *
 * @param argv what follows the command's name; `--help` describes it
 * @returns the exit status, to end the process with
 */
export async function runAuthority(argv: readonly string[], run: AuthorityRun = {}): Promise<number> {
  const { command = "authmesh-authority", env = process.env } = run;
  const { stdout = process.stdout, stderr = process.stderr, signals = process } = run;
  try {
    const { options: read, audit, json, help } = readArguments(argv, env);
    if (help) {
      stdout.write(helpText(command));
      return 0;
    }
    const options = { ...read, audit: servedAudit(audit, read.dir, stdout) };
    asUsage(() => completeOptions(options));
    const authority = await createAuthority(options);
    try {
      const { port } = await authority.listen();
      const { issuer } = authority;
      if (json) stdout.write(`${JSON.stringify({ event: "listening", issuer, port })}\n`);
      stderr.write(greeting(authority));
    } catch (error) {
      await authority.close();
      throw error;
    }
    return await untilStopped(signals, () => authority.close());
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    const { code, message: detail, fix } = error;
    if (argv.includes("--json"))
      stdout.write(`${JSON.stringify({ schema: 1, error: { code, detail, fix } })}\n`);
    else stderr.write(`amesh: error: ${detail} (${code})\namesh: hint: ${fix}\n`);
    return lookUp(error.code)?.exit ?? 1;
  }
}

function greeting({ issuer, state, policyPath }: Authority): string {
  const made = state.created;
  const first =
    made === undefined
      ? ""
      : `${made.warnings.map(({ message }) => `amesh: warning: ${message}\n`).join("")}An authority was made in ${state.dir}.
`;
  return `${first}The authority issues tokens as ${issuer}
Next: amesh authority pair --dir ${state.dir}, to let a device in; what it may mint is in ${policyPath}
`;
}

/** The first signal closes the authority; the second does not wait for that. */
function untilStopped(signals: Signals, close: () => Promise<void>): Promise<number> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (name: SignalName): void => {
      if (stopping) finish(128 + signalNumbers[name]);
      else close().then(() => finish(0), reject);
      stopping = true;
    };
    const listeners = { SIGINT: () => stop("SIGINT"), SIGTERM: () => stop("SIGTERM") };
    const names = ["SIGINT", "SIGTERM"] as const;
    const finish = (status: number): void => {
      for (const name of names) signals.off(name, listeners[name]);
      resolve(status);
    };
    for (const name of names) signals.on(name, listeners[name]);
  });
}
