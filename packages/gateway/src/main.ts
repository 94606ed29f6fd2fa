import type { Writable } from "node:stream";
import { lookUp } from "@authmesh/core";
import { type Output, type Signals, tellFailure, untilStopped } from "@authmesh/core/server-program";
import type { Environment } from "@authmesh/keystore";
import { consoleLogger, type Logger } from "@authmesh/oath/logger";
import { checkDocument, checkTable, problemsDocument } from "./command/check-report.js";
import { type Arguments, readArguments } from "./command/command-line.js";
import type { CommandName } from "./command/flags.js";
import { greeting } from "./command/greeting.js";
import { helpText } from "./command/help-text.js";
import { loadSettings } from "./command/load-settings.js";
import { openServed } from "./command/served.js";
import { gatewaySchema } from "./config/config-document.js";
import { FollowedConfig } from "./config/config-watch.js";
import { InvalidConfig } from "./config/read-config.js";

/** What a run of the gateway takes from the process around it. */
export interface GatewayRun {
  /** How the person called it, for the help text. Default: `"authmesh-gateway"`. */
  readonly command?: string;
  /** Default: `process.env`. */
  readonly env?: Environment;
  /** Default: `process.stdout`. */
  readonly stdout?: Writable;
  /** Default: `process.stderr`. */
  readonly stderr?: Output;
  /** What `SIGTERM`, `SIGINT` and `SIGHUP` arrive at. Default: `process`. */
  readonly signals?: Signals;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

type Scene = Required<GatewayRun>;

/**
 * Runs the gateway, or one of its commands: the program behind `authmesh-gateway` and `amesh gateway`.
 *
 * @param argv what follows the command's name; `--help` describes it
 * @returns the exit status, to end the process with
 */
export async function runGateway(argv: readonly string[], run: GatewayRun = {}): Promise<number> {
  const { command = "authmesh-gateway", env = process.env } = run;
  const { stdout = process.stdout, stderr = process.stderr, signals = process } = run;
  const { logger = consoleLogger } = run;
  try {
    const args = readArguments(argv, env);
    if (args.help) {
      stdout.write(helpText(command, args.command));
      return 0;
    }
    return await commands[args.command](args, { command, env, stdout, stderr, signals, logger });
  } catch (error) {
    return tellFailure(error, argv, { stdout, stderr });
  }
}

const commands: Readonly<Record<CommandName, (args: Arguments, scene: Scene) => Promise<number>>> = {
  serve: (args, scene) => serve(args, scene),
  authz: (args, scene) => serve(args, scene),
  async check(args, { env, stdout, stderr }) {
    const role = args.values.has("authz") ? "authz" : "proxy";
    const loaded = await loadSettings(args, env, role).catch((error: unknown) => {
      if (error instanceof InvalidConfig) return error;
      throw error;
    });
    if (loaded instanceof InvalidConfig) {
      if (args.json) stdout.write(`${JSON.stringify(problemsDocument(loaded))}\n`);
      else stderr.write(`amesh: error: ${loaded.message} (${loaded.code})\n`);
      return lookUp(loaded.code)?.exit ?? 2;
    }
    const { settings } = loaded;
    stdout.write(args.json ? `${JSON.stringify(checkDocument(settings))}\n` : checkTable(settings));
    return 0;
  },
  async schema(_, { stdout }) {
    stdout.write(`${JSON.stringify(gatewaySchema, null, 2)}\n`);
    return 0;
  },
};

/** Until a signal stops it. */
async function serve(args: Arguments, scene: Scene): Promise<number> {
  const { env, stdout, stderr, signals, logger } = scene;
  const role = args.command === "authz" ? "authz" : "proxy";
  const { settings, followed } = await loadSettings(args, env, role);
  const served = await openServed(args, settings, logger);
  const config =
    followed &&
    new FollowedConfig({ ...followed, settings, logger, apply: (changed) => served.reload(changed) });
  const reread = () => void config?.reread();
  const close = async () => {
    signals.off("SIGHUP", reread);
    await config?.close();
    await served.close();
  };
  try {
    const address = await served.listen();
    const greeted = await greeting(args, address, settings, env);
    if (args.json) stdout.write(`${JSON.stringify({ event: "listening", ...address })}\n`);
    stderr.write(greeted);
  } catch (error) {
    await close();
    throw error;
  }
  signals.on("SIGHUP", reread);
  return untilStopped(signals, close);
}
