import { statSync } from "node:fs";
import type { AuthorityOptions } from "./authority-options.js";
import { secretSource } from "./open-state.js";

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

/** What is told of at the start: it works, and is seldom meant. */
export function startWarnings(
  options: Pick<AuthorityOptions, "host" | "tls" | "trustProxy" | "env">,
): readonly string[] {
  const { host = "127.0.0.1", tls, trustProxy = false, env = process.env } = options;
  const file = env[secretSource.variable] ? undefined : env[secretSource.fileVariable];
  const mode = file ? (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) : 0;
  return [
    ...(loopback.test(host) || tls !== undefined || trustProxy
      ? []
      : [
          `it listens on ${host} without TLS: whoever is on the way reads the tokens. Give --cert and --key, or --trust-proxy behind a proxy that speaks TLS.`,
        ]),
    ...((mode & 0o004) === 0
      ? []
      : [`everybody on this machine can read ${file}, which opens the signing keys. Run chmod o-r on it.`]),
  ];
}
