import { parseArgs } from "node:util";
import { AmeshError, quoteForeign } from "@authmesh/core";
import { asUsage, type Environment, readInteger, secretFrom } from "@authmesh/core/server-program";
import { defaultLimits, type RelayLimits } from "./limits.js";
import type { RelayOptions } from "./relay-options.js";

const flags = {
  host: { type: "string" },
  port: { type: "string" },
  "trust-proxy": { type: "string" },
  "allow-origin": { type: "string", multiple: true },
  limit: { type: "string", multiple: true },
  "redis-prefix": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @param command how the person called the relay */
export const helpText = (command: string): string => `Usage: ${command} [options]

Runs a pairing relay. It introduces two machines that name the same code, hands on
what they say and forgets them. It holds no keys and cannot read a pairing.

Options:
  --host ADDRESS         address to listen on (HOST; default 0.0.0.0, all of IPv4)
  --port N               port to listen on, 0 for a free one (PORT; default 3001)
  --trust-proxy N        proxies in front that append to X-Forwarded-For (default 0)
  --allow-origin ORIGIN  let web pages of this origin in; may be repeated
  --limit NAME=N         change a limit; may be repeated
  --redis-prefix TEXT    what all keys in Redis begin with (default {amesh-relay}:)
  --json                 also print {"event":"listening","url":…,"port":…} on stdout
  -h, --help             print this text

Environment:
  HOST, PORT             used where --host and --port are not given
  AMESH_RELAY_REDIS_URL  a Redis that instances share, so that they act as one relay:
                         redis://USER:PASSWORD@HOST:6379, or rediss://. Needs ioredis
  AMESH_RELAY_REDIS_URL_FILE
                         a file that holds it

Limits (per address, or for the whole relay; openings, listens and failures a minute):
${Object.entries(defaultLimits)
  .map(([name, value]) => `  ${name.padEnd(21)}  ${value}`)
  .join("\n")}

Examples:
  ${command}
  ${command} --host 127.0.0.1 --port 0 --json
  ${command} --trust-proxy 1 --limit address.sockets=50

Clients connect to /ws; /health, /ready and /metrics answer over HTTP. Logs go to
standard error, one JSON object a line. SIGTERM and SIGINT let running pairings
finish for up to 10 seconds; a second signal exits at once.

Exit status: 0 stopped by a signal, 1 cannot listen, 2 usage, 130 or 143 cut short.
`;

export interface Arguments {
  readonly options: RelayOptions;
  readonly json: boolean;
  readonly help: boolean;
}

/** What helps whoever gave an option that there is not. */
export const usage = `The options are ${Object.keys(flags)
  .map((name) => `--${name}`)
  .join(", ")}; --help explains them.`;

/** The URL may hold a password. */
const redisSource = {
  variable: "AMESH_RELAY_REDIS_URL",
  fileVariable: "AMESH_RELAY_REDIS_URL_FILE",
  missing: "invalid_option",
} as const;

/** Reads flags, and the environment where they are silent. @throws AmeshError `invalid_option`, `storage_failed` */
export function readArguments(argv: readonly string[], env: Environment): Arguments {
  const { values } = asUsage(() => parseArgs({ args: [...argv], options: flags }), usage);
  const redisUrl = secretFrom(redisSource, env);
  const redisPrefix = values["redis-prefix"];
  const options = {
    host: values.host ?? (env["HOST"] || "0.0.0.0"),
    port: readInteger("--port", values.port ?? (env["PORT"] || "3001")),
    trustProxy: readInteger("--trust-proxy", values["trust-proxy"] ?? "0"),
    allowOrigins: values["allow-origin"] ?? [],
    limits: Object.fromEntries((values.limit ?? []).map(readLimit)) as Partial<RelayLimits>,
    ...(redisUrl === undefined ? {} : { redisUrl }),
    ...(redisPrefix === undefined ? {} : { redisPrefix }),
  };
  return { options, json: values.json ?? false, help: values.help ?? false };
}

function readLimit(text: string): [name: string, value: number] {
  const [, name, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, readInteger(`--limit ${name}`, value)];
  throw new AmeshError("invalid_option", `--limit takes NAME=N, not ${quoteForeign(text)}.`);
}
