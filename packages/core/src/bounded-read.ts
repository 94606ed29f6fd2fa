import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { AmeshError } from "./errors.js";
import { errorCode, storageFailed } from "./storage-error.js";

/**
 * Reads a regular file, at most one byte more than `maxBytes`, so that the reader of its content sees that it is
 * too long. A pipe or a device in its place blocks nobody.
 *
 * @returns undefined when there is no such file
 * @throws AmeshError `storage_failed`
 */
export function readBounded(path: string, maxBytes: number): Uint8Array | undefined {
  let descriptor: number | undefined;
  try {
    // Windows has neither pipes in the file system nor this flag.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new AmeshError("storage_failed", `${path}: it is not a regular file.`);
    const bytes = Buffer.alloc(Math.min(status.size, maxBytes) + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw storageFailed(path, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
