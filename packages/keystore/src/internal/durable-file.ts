import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";

/**
 * Puts a file in the place of another: whoever reads sees the old one or the new one, and after a crash at any
 * instant one of the two is there.
 *
 * @param beforeRename the last look before the point of no return; throws to stop
 * @throws AmeshError `storage_failed`; the old file is intact then and nothing is left lying about
 */
export async function replaceFile(path: string, content: Content, beforeRename?: () => void): Promise<void> {
  await throughTemporary(path, content, 0o600, async (temporary) => {
    beforeRename?.();
    await rename(temporary, path);
  });
}

/**
 * Makes a file that does not exist yet, whole or not at all: a hard link, unlike a rename, never replaces.
 *
 * @returns false when there is one already; it is left as it is
 * @throws AmeshError `storage_failed`
 */
export async function createFile(path: string, content: string, mode = 0o600): Promise<boolean> {
  try {
    await throughTemporary(path, content, mode, async (temporary) => {
      await link(temporary, path);
      await rm(temporary);
    });
    return true;
  } catch (error) {
    if (errorCode((error as Error).cause) === "EEXIST") return false;
    throw error;
  }
}

/** Removes a file for good; one that is gone already is no failure. @throws AmeshError `storage_failed` */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await persistFolder(dirname(path));
  } catch (error) {
    throw storageFailed(path, error);
  }
}

/** A name beside `path` that nobody else uses. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(16).toString("hex")}.tmp`);
}

/** Removes what a killed process left. Only for the holder of the folder's lock: everybody writes under it. */
export function sweepTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^\..+\.[0-9a-f]{32}\.tmp$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** All of a text, or its parts as they come. */
type Content = string | AsyncIterable<string | Uint8Array>;

async function throughTemporary(
  path: string,
  content: Content,
  mode: number,
  putInPlace: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await write(temporary, content, mode);
    await putInPlace(temporary);
    await persistFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // what failed first is what is told
    throw storageFailed(path, error);
  }
}

async function write(path: string, content: Content, mode: number): Promise<void> {
  const handle = await open(path, "wx", mode);
  try {
    for await (const part of typeof content === "string" ? [content] : content) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A new name lasts only once the folder that holds it is on the disk. */
async function persistFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // cannot open a folder, and needs not
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
