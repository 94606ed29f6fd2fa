import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";

/** What the name of a log's lock has behind that of the log. */
export const lockSuffix = ".lock";

const aliveEveryMs = 5000;
/** A writer that gave no sign of life for so long was stopped, or its host is gone. */
const staleAfterMs = 20_000;

/** Of this process, so that a process of the same number in a restarted container is not taken for this one. */
const heldHere = new Set<string>();

/**
 * One writer of a file at a time, for as long as it writes. The lock is a folder with one file in it, named by a random
 * token. A complete folder is renamed into place, which the system does only where there is none or an empty one; and to
 * break a dead writer's lock is to remove the file of that token, so that nobody's new lock is ever broken.
 */
export class WriterLock {
  readonly #path: string;
  readonly #token: string;
  readonly #alive: NodeJS.Timeout;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
    heldHere.add(token);
    this.#alive = setInterval(() => this.#showLife(), aliveEveryMs).unref();
  }

  /** @throws AmeshError `storage_failed`, also when another writer has the lock */
  static take(path: string, now = Date.now()): WriterLock {
    const token = randomBytes(16).toString("hex");
    try {
      const holder = holderOf(path);
      if (holder !== undefined && !isStale(holder, now)) throw inUse(path, holder);
      if (holder !== undefined) rmSync(join(path, holder.token), { force: true });
      const candidate = `${path}.${token}.tmp`;
      mkdirSync(candidate, { mode: 0o700 });
      writeFileSync(join(candidate, token), `${process.pid} ${hostname()}`, { mode: 0o600 });
      try {
        renameSync(candidate, path);
      } catch (error) {
        rmSync(candidate, { recursive: true, force: true });
        throw ["EEXIST", "ENOTEMPTY"].includes(errorCode(error) ?? "") ? inUse(path, holderOf(path)) : error;
      }
      return new WriterLock(path, token);
    } catch (error) {
      throw storageFailed(path, error);
    }
  }

  /** False once another writer took this one for dead. */
  get isHeld(): boolean {
    return existsSync(join(this.#path, this.#token));
  }

  /** A lock that cannot be released goes stale. */
  release(): void {
    clearInterval(this.#alive);
    heldHere.delete(this.#token);
    try {
      rmSync(join(this.#path, this.#token), { force: true });
      rmdirSync(this.#path);
    } catch {
      // Somebody else's by now, or gone.
    }
  }

  #showLife(): void {
    try {
      utimesSync(join(this.#path, this.#token), new Date(), new Date());
    } catch {
      // `isHeld` tells whoever is about to write.
    }
  }
}

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  readonly aliveAt: number;
}

function holderOf(path: string): Holder | undefined {
  try {
    const token = readdirSync(path).find((name) => /^[0-9a-f]{32}$/.test(name));
    if (token === undefined) return undefined;
    const file = join(path, token);
    const [pid = "", host = ""] = readFileSync(file, "utf8").split(" ");
    return { token, pid: Number(pid), host, aliveAt: statSync(file).mtimeMs };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function isStale({ token, pid, host, aliveAt }: Holder, now: number): boolean {
  if (Math.abs(now - aliveAt) > staleAfterMs) return true;
  if (host !== hostname()) return false;
  return pid === process.pid ? !heldHere.has(token) : !isRunning(pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM"; // somebody else's process
  }
}

function inUse(path: string, holder: Holder | undefined): AmeshError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new AmeshError("storage_failed", `${path}: ${who} writes this file.`, {
    fix: "Give every process a file of its own; `amesh audit verify` reads one at a time.",
  });
}
