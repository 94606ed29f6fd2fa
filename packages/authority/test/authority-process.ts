import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { secret } from "./running-authority.js";
import type { Ended } from "./stores.js";

const bin = fileURLToPath(new URL("../bin/authmesh-authority.js", import.meta.url));

/** What an authority and those who look after it are given: no key store of this machine, and nobody's database. */
export const authorityEnv = { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };

/** An authority as a person runs it: a process of what is built. */
export interface AuthorityProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Thumbprint. */
  readonly feedKey: string;
  readonly ended: Promise<number | null>;
  readonly errors: string[];
}

export interface AuthorityProcessOptions {
  /** Default: a free one. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** By default it goes with the test. */
  readonly ended?: Ended;
}

/** Resolves when it listens. */
export async function startAuthority(
  dir: string,
  options: AuthorityProcessOptions = {},
): Promise<AuthorityProcess> {
  const { port = await freePort(), args = [], env = {}, ended: stops = onTestFinished } = options;
  const child = spawn(process.execPath, [bin, "--dir", dir, "--port", String(port), "--json", ...args], {
    env: { PATH: process.env["PATH"], HOME: dir, ...authorityEnv, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close").then(([status]) => status as number | null);
  stops(() => void child.kill("SIGKILL"));
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const listening = once(createInterface({ input: child.stdout }), "line");
  const first = await Promise.race([listening, ended]);
  if (!Array.isArray(first)) throw new Error(`The authority ended:\n${errors.join("\n")}`);
  const { feedKey } = JSON.parse(first[0] as string) as { readonly feedKey: string };
  return { child, url: `http://localhost:${port}`, feedKey, ended, errors };
}
