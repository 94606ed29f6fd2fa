import { existsSync } from "node:fs";
import { open, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { storageFailed } from "@authmesh/core/storage-error";
import type { ChainLine } from "../audit/chain.js";
import { readTail } from "./read-tail.js";

/** "audit.jsonl.20260330T120000000Z-0000000000001234": when, and the number of its last line. */
const rotated = /^\d{8}T\d{9}Z-\d{16}$/;

/**
 * Gives the file another name beside it, which tells when and the number of its last line. Never replaces a file.
 *
 * @returns the name
 * @throws AmeshError `storage_failed`
 */
export async function setAside(path: string, now: number, sequence: number): Promise<string> {
  const stamp = new Date(now).toISOString().replace(/[-:.]/g, "");
  const name = `${path}.${stamp}-${String(sequence).padStart(16, "0")}`;
  try {
    if (existsSync(name)) throw new AmeshError("storage_failed", `${name} is there already.`);
    await rename(path, name);
    return basename(name);
  } catch (error) {
    throw storageFailed(path, error);
  }
}

/** The last line of the file that was set aside last: that is where the chain goes on in a new one. */
export async function lastRotated(path: string): Promise<ChainLine | undefined> {
  const prefix = `${basename(path)}.`;
  try {
    const names = await readdir(dirname(path));
    const suffixes = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    const last = suffixes
      .filter((suffix) => rotated.test(suffix))
      .sort()
      .at(-1);
    if (last === undefined) return undefined;
    const handle = await open(join(dirname(path), prefix + last), "r");
    try {
      return (await readTail(handle, (await handle.stat()).size)).line;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageFailed(path, error);
  }
}
