import { accessSync, constants, lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorCode, storageFailed, storageReason } from "@authmesh/core/storage-error";
import type { Environment } from "./folder.js";
import { quoteForShell } from "./internal/shell-quote.js";

/** Something of the folder that others can reach, that nobody can look at, or that cannot be written. */
export interface StorageFinding {
  readonly path: string;
  /** What is wrong, in a few plain words. */
  readonly problem: string;
  /** The command that mends it. */
  readonly fix: string;
}

/**
 * Looks whether anybody but the owner can reach the folder of an identity or a file in it: folder 0700, files 0600
 * or less, both owned by whoever runs this; and whether files can be made in it. A link counts as what it leads to. Nothing is changed. Windows has no such
 * permissions and no findings.
 *
 * @throws AmeshError `storage_failed` when the folder cannot be listed
 */
export function inspectStorage(dir: string): readonly StorageFinding[] {
  const uid = process.getuid?.();
  if (uid === undefined) return [];
  try {
    const paths = [dir, ...readdirSync(dir).map((name) => join(dir, name))];
    return [...paths.flatMap((path) => inspect(path, uid)), ...inspectWriting(dir)];
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw storageFailed(dir, error);
  }
}

const secretFiles = ["AMESH_PASSPHRASE_FILE", "AMESH_PIN_FILE", "AMESH_EXPORT_PASSPHRASE_FILE"];
const readableByOthers = 0o004;

/**
 * Looks whether everybody on this machine can read a file that a variable names as the place of a passphrase or a PIN.
 * A group that may read it is somebody's choice. What is not there, or cannot be looked at, is no finding.
 */
export function inspectSecretFiles(env: Environment = process.env): readonly StorageFinding[] {
  if (process.getuid === undefined) return [];
  return secretFiles.flatMap((variable) => {
    const path = env[variable];
    const mode = path ? modeOf(path) : 0;
    if (!path || (mode & readableByOthers) === 0) return [];
    const problem = `everybody can read it (mode ${mode.toString(8).padStart(4, "0")}), and ${variable} names it`;
    return [{ path, problem, fix: `chmod o= ${quoteForShell(path)}` }];
  });
}

function modeOf(path: string): number {
  try {
    return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
  } catch {
    return 0; // whoever opens it says why it cannot be
  }
}

function inspect(path: string, uid: number): readonly StorageFinding[] {
  try {
    const entry = lstatSync(path, { throwIfNoEntry: false });
    return entry?.isSymbolicLink() ? inspectLink(path, uid) : exposures(path, entry, uid);
  } catch (error) {
    const problem = `it cannot be looked at: ${storageReason(error)}`;
    return [{ path, problem, fix: `chmod u+rwx ${quoteForShell(dirname(path))}` }];
  }
}

/** A server that only verifies needs no more; whoever changes the list does. */
function inspectWriting(dir: string): readonly StorageFinding[] {
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
    return [];
  } catch (error) {
    const problem = `nothing can be changed in it: ${storageReason(error)}`;
    const isReadOnly = errorCode(error) === "EROFS";
    const fix = isReadOnly ? "mount its file system for writing" : `chmod u+rwx ${quoteForShell(dir)}`;
    return [{ path: dir, problem, fix }];
  }
}

function inspectLink(path: string, uid: number): readonly StorageFinding[] {
  try {
    return exposures(path, statSync(path, { throwIfNoEntry: false }), uid);
  } catch (error) {
    const problem = `it is a link that cannot be followed: ${storageReason(error)}`;
    return [{ path, problem, fix: `rm ${quoteForShell(path)}` }];
  }
}

/** Nothing to say of what is gone, and of a link that leads to nothing. */
function exposures(path: string, status: Stats | undefined, uid: number): readonly StorageFinding[] {
  if (status === undefined) return [];
  const findings: StorageFinding[] = [];
  const mode = status.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const problem = `others can reach it (mode ${mode.toString(8).padStart(4, "0")})`;
    findings.push({ path, problem, fix: `chmod go= ${quoteForShell(path)}` });
  }
  if (status.uid !== uid) {
    const problem = `it belongs to another user (${status.uid})`;
    findings.push({ path, problem, fix: `chown ${uid} ${quoteForShell(path)}` });
  }
  return findings;
}
