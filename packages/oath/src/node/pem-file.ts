import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** Bundles of authorities take some hundred kilobytes. */
const mostBytes = 4 << 20;

/**
 * Reads certificates or keys. A pipe or a device in the place of a file blocks nobody, and fills no memory.
 *
 * @throws Error with a `code`: that of the system, `NOT_A_FILE`, or `FILE_TOO_LARGE`
 */
export function readPemFile(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw unfit(`${path} is not a file`, "NOT_A_FILE");
    if (status.size > mostBytes) throw unfit(`${path} is longer than ${mostBytes} bytes`, "FILE_TOO_LARGE");
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

const unfit = (message: string, code: string): Error => Object.assign(new Error(message), { code });
