import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { AmeshError, parseStrictJson, quoteForeign } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";
import { sweepTemporaries, temporaryName } from "./durable-file.js";
import { inTurn } from "./in-turn.js";

/**
 * One writer at a time, across processes.
 *
 * The lock is a folder that holds one file, named by a random token and telling who holds the lock. Taking it is
 * renaming a complete folder into place, which the system does only where there is none or an empty one; so of any
 * number of processes one succeeds. Breaking a dead holder's lock is removing the file *of that token*: two
 * processes may see the same dead holder, but the slower one can only remove what is gone already, never the lock
 * that somebody took in between, because no two locks share a name. The empty folder that remains is free to all.
 *
 * What is no such folder (a link to another one above all), or holds anything but such files, is not ours: it is
 * never touched, and the lock cannot be had until a person has looked.
 */
export interface HeldLock {
  /**
   * To be called just before the step that cannot be undone: a holder that was stopped for longer than a lock
   * lives may have lost it.
   *
   * @throws AmeshError `allow_list_locked`
   */
  assertHeld(): void;
}

export interface LockOptions {
  /** How long to wait for the lock, in milliseconds. Default 10,000. */
  readonly waitMs?: number;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

/** No holder needs so long; one that does was stopped, or its host is gone. */
const staleAfterMs = 30_000;

const tokenPattern = /^[0-9a-f]{32}$/;

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  readonly since: number;
}

/**
 * Runs `work` while holding the lock at `path`.
 *
 * @throws AmeshError `allow_list_locked` when others hold it for all of `waitMs`; `storage_failed`, also when something
 * that is no lock stands in its place; what `work` throws
 */
export function withLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const deadline = performance.now() + (options.waitMs ?? 10_000);
  return inTurn(path, async () => {
    const token = await acquire(path, deadline, options.now ?? Date.now);
    const own = join(path, token);
    try {
      sweepTemporaries(dirname(path));
      return await work({
        assertHeld() {
          if (!existsSync(own)) throw locked("This process was stopped for so long that another took over.");
        },
      });
    } finally {
      release(path, token);
    }
  });
}

async function acquire(path: string, deadline: number, now: () => number): Promise<string> {
  const token = randomBytes(16).toString("hex");
  try {
    for (;;) {
      const found = occupantOf(path);
      if (found === undefined && take(path, token)) return token;
      const holder = found instanceof AmeshError ? undefined : found;
      if (holder !== undefined && isStale(holder, now())) remove(path, holder.token);
      else if (performance.now() < deadline) await pause(2 + Math.random() * 10);
      else if (found instanceof AmeshError) throw found;
      else throw locked(holder && `${path} is held by the process ${holder.pid} on ${holder.host}.`);
    }
  } catch (error) {
    throw storageFailed(path, error);
  }
}

// ENOENT: a holder took this for a dead process's leavings and swept it away. The last two are Windows.
const occupied = new Set(["EEXIST", "ENOTEMPTY", "ENOENT", "EPERM", "EACCES"]);

function take(path: string, token: string): boolean {
  const candidate = temporaryName(path);
  mkdirSync(candidate, { mode: 0o700 });
  try {
    const holder = { pid: process.pid, host: hostname() };
    writeFileSync(join(candidate, token), JSON.stringify(holder), { flag: "wx", mode: 0o600 });
    if (process.platform === "win32") removeIfEmpty(path); // replaces no folder, not even an empty one
    renameSync(candidate, path);
    return true;
  } catch (error) {
    rmSync(candidate, { recursive: true, force: true });
    if (occupied.has(errorCode(error) ?? "")) return false;
    throw error;
  }
}

/**
 * Who holds the lock; undefined when nobody does, an error when something in it is not ours. A network file system
 * puts names of its own there for an instant, so that one may be gone by the next look.
 *
 * @throws AmeshError `storage_failed` for what is no folder: no lock becomes one
 */
function occupantOf(path: string): Holder | AmeshError | undefined {
  try {
    const place = lstatSync(path, { throwIfNoEntry: false });
    if (place === undefined) return undefined;
    if (!place.isDirectory()) throw notOurs(path, "it is not the folder that amesh makes here");
    const names = readdirSync(path);
    const token = names.find((name) => tokenPattern.test(name)) ?? names[0];
    if (token === undefined) return undefined;
    const file = join(path, token);
    const status = lstatSync(file);
    if (!tokenPattern.test(token) || !status.isFile())
      return notOurs(path, `amesh did not put ${quoteForeign(token)} into it`);
    const written = parseStrictJson(readBounded(file, 1024) ?? "").value as Partial<Holder> | undefined;
    return { token, since: status.mtimeMs, pid: Number(written?.pid), host: String(written?.host) };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function isStale(holder: Holder, now: number): boolean {
  if (Math.abs(now - holder.since) > staleAfterMs) return true;
  return holder.host === hostname() && !isRunning(holder.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM"; // somebody else's process
  }
}

function remove(path: string, token: string): void {
  rmSync(join(path, token), { force: true });
  removeIfEmpty(path);
}

/** The work is done by then; a lock that cannot be released goes stale. */
function release(path: string, token: string): void {
  try {
    remove(path, token);
  } catch {
    // Whoever comes next says what is wrong with the folder.
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty: somebody else holds it now. Gone: somebody else was faster.
  }
}

const notOurs = (path: string, problem: string) =>
  new AmeshError("storage_failed", `${path}: ${problem}; nothing in it was touched.`, {
    fix: `Look at ${path}, move it out of the way while no amesh command runs, and try again.`,
  });

const locked = (detail?: string) => new AmeshError("allow_list_locked", detail);
