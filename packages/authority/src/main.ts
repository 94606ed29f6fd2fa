import type { Writable } from "node:stream";
import { asUsage, type Output, type Signals, tellFailure, untilStopped } from "@authmesh/core/server-program";
import type { Environment } from "@authmesh/keystore";
import { completeOptions } from "./authority-options.js";
import { helpText, readArguments } from "./command-line.js";
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
      const { issuer, state } = authority;
      const feedKey = state.feedKeys.thumbprint;
      if (json) stdout.write(`${JSON.stringify({ event: "listening", issuer, port, feedKey })}\n`);
      stderr.write(greeting(authority));
    } catch (error) {
      await authority.close();
      throw error;
    }
    return await untilStopped(signals, () => authority.close());
  } catch (error) {
    return tellFailure(error, argv, { stdout, stderr });
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
Verifiers pin its feed key ${state.feedKeys.thumbprint}
Next: amesh authority pair --dir ${state.dir}, to let a device in; what it may mint is in ${policyPath}
`;
}
