import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { decodeUtf8 } from "@authmesh/core";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";
import { longestLine } from "../audit/encode-event.js";

export interface ReadAuditLogOptions {
  /** Go on with what is appended, in the file that takes the place of a full one too, for ever. Default false. */
  readonly follow?: boolean;
}

const chunkBytes = 1 << 16;
const lookEveryMs = 250;

/**
 * The lines of a log, as text; `undefined` once, where the file ends at first. What is no UTF-8, or longer than any line of
 * ours, is left out.
 *
 * @throws AmeshError `storage_failed`
 */
export async function* readAuditLog(
  path: string,
  { follow = false }: ReadAuditLogOptions = {},
): AsyncGenerator<string | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    let lines = new Lines();
    for (let told = false; ; ) {
      const bytes = Buffer.alloc(chunkBytes);
      const { bytesRead } = await handle.read(bytes, 0, chunkBytes, lines.position);
      if (bytesRead > 0) {
        yield* lines.read(bytes.subarray(0, bytesRead));
        continue;
      }
      if (!told) yield undefined;
      told = true;
      if (!follow) return;
      if (!(await isReplaced(handle, path, lines.position))) await pause(lookEveryMs);
      else {
        await handle.close();
        handle = await open(path, "r");
        lines = new Lines();
      }
    }
  } catch (error) {
    throw storageFailed(path, error);
  } finally {
    await handle?.close();
  }
}

/** By another file, or by less of it. For a moment there may be none. */
async function isReplaced(handle: FileHandle, path: string, position: number): Promise<boolean> {
  try {
    const [named, own] = await Promise.all([stat(path), handle.stat()]);
    return named.ino !== own.ino || named.dev !== own.dev || named.size < position;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

class Lines {
  position = 0;
  #rest: Buffer = Buffer.alloc(0);
  #tooLong = false;

  *read(bytes: Buffer): Generator<string> {
    this.position += bytes.length;
    let rest = Buffer.concat([this.#rest, bytes]);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const text = this.#tooLong ? undefined : decodeUtf8(rest.subarray(0, end));
      if (text !== undefined) yield text;
      this.#tooLong = false;
      rest = rest.subarray(end + 1);
    }
    this.#tooLong ||= rest.length > 3 * longestLine;
    this.#rest = this.#tooLong ? Buffer.alloc(0) : rest;
  }
}
