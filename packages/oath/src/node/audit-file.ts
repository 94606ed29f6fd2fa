import { constants, fstatSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { AmeshError } from "@authmesh/core";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";
import { readTail, type Tail } from "./read-tail.js";

/** What became of a file behind its writer's back. */
export type FileChange = "moved" | "truncated" | "grown";

/**
 * A file of lines that is only appended to, by whole lines. What was begun of a line by a process that was killed is
 * cut off when the file is opened, and what was begun by a write that failed right after.
 */
export class AuditFile {
  readonly path: string;
  /** How the file ended when it was opened. */
  readonly tail: Tail;
  readonly #handle: FileHandle;
  #size: number;

  private constructor(path: string, handle: FileHandle, tail: Tail) {
    this.path = path;
    this.tail = tail;
    this.#handle = handle;
    this.#size = tail.size;
  }

  /** Opens or makes a file. @throws AmeshError `storage_failed` */
  static async open(path: string, lasting: boolean): Promise<AuditFile> {
    let handle: FileHandle | undefined;
    try {
      const { O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
      handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOFOLLOW, 0o600);
      const status = await handle.stat();
      if (!status.isFile()) throw new AmeshError("storage_failed", `${path}: it is not a regular file.`);
      const tail = await readTail(handle, status.size);
      if (tail.torn > 0) await handle.truncate(tail.size);
      if (status.size === 0 && lasting) await persistFolder(path);
      return new AuditFile(path, handle, tail);
    } catch (error) {
      await handle?.close();
      throw storageFailed(path, error);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** When it was written last, in milliseconds since the epoch. */
  get lastWritten(): number {
    return fstatSync(this.#handle.fd).mtimeMs;
  }

  change(): FileChange | undefined {
    const own = fstatSync(this.#handle.fd);
    const named = statSync(this.path, { throwIfNoEntry: false });
    if (named?.ino !== own.ino || named.dev !== own.dev) return "moved";
    if (own.size === this.#size) return undefined;
    return own.size < this.#size ? "truncated" : "grown";
  }

  /**
   * Appends whole lines, all of them or none.
   *
   * @throws AmeshError `storage_failed`
   */
  async append(bytes: Uint8Array, sync: boolean): Promise<void> {
    try {
      for (let offset = 0; offset < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, offset);
        offset += bytesWritten;
      }
      if (sync) await this.#handle.datasync();
      this.#size += bytes.length;
    } catch (error) {
      await this.#handle.truncate(this.#size).catch(() => {}); // otherwise the next one who opens it does
      throw storageFailed(this.path, error);
    }
  }

  /** @throws AmeshError `storage_failed` */
  async sync(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (error) {
      throw storageFailed(this.path, error);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => {}); // what was acknowledged was written before
  }
}

/** A new name lasts only once the folder that holds it is on the disk. */
export async function persistFolder(path: string): Promise<void> {
  if (process.platform === "win32") return; // cannot open a folder, and needs not
  const handle = await open(dirname(path), "r");
  try {
    await handle.sync();
  } catch (error) {
    if (errorCode(error) !== "EINVAL") throw error; // a file system that has no such thing
  } finally {
    await handle.close();
  }
}
