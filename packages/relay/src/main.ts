import {
  asUsage,
  type Environment,
  type Output,
  type Signals,
  tellFailure,
  untilStopped,
} from "@authmesh/core/server-program";
import { pino } from "pino";
import { helpText, readArguments, usage } from "./command-line.js";
import type { RelayAddress } from "./listen-on.js";
import { createRelay } from "./server.js";

/** What a run of the relay takes from the process around it. */
export interface RelayRun {
  /** How the person called it, for the help text. Default: `"authmesh-relay"`. */
  readonly command?: string;
  /** Default: `process.env`. */
  readonly env?: Environment;
  /** Default: `process.stdout`. */
  readonly stdout?: Output;
  /** Default: `process.stderr`. */
  readonly stderr?: Output;
  /** What `SIGTERM` and `SIGINT` arrive at. Default: `process`. */
  readonly signals?: Signals;
}

/**
 * Runs a relay until a signal stops it: the program behind `authmesh-relay` and `amesh relay`.
 *
 * @param argv what follows the command's name; `--help` describes it
 * @returns the exit status, to end the process with: a second signal leaves sockets open
 */
export async function runRelay(argv: readonly string[], run: RelayRun = {}): Promise<number> {
  const { command = "authmesh-relay", env = process.env } = run;
  const { stdout = process.stdout, stderr = process.stderr, signals = process } = run;
  try {
    const { options, json, help } = readArguments(argv, env);
    if (help) {
      stdout.write(helpText(command));
      return 0;
    }
    const logger = pino({ base: null }, { write: (line: string) => void stderr.write(line) });
    const relay = asUsage(() => createRelay({ ...options, logger }), usage);
    const address = await relay.listen();
    if (json) {
      const { url, port } = address;
      stdout.write(`${JSON.stringify({ event: "listening", url, port })}\n`);
    }
    stderr.write(greeting(address));
    return await untilStopped(signals, () => relay.close());
  } catch (error) {
    return tellFailure(error, argv, { stdout, stderr });
  }
}

function greeting({ host, port, url }: RelayAddress): string {
  const everywhere = host === "0.0.0.0" || host === "::";
  return `The relay listens on ${host} port ${port}: ${url}
Next, on the machine that will be called: amesh listen --relay ${url}
${everywhere ? "On other machines, put this one's name or address into the URL.\n" : ""}`;
}
