import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { AmeshError, decodeUtf8, type ErrorCode, quoteForeign } from "@authmesh/core";

/** A file, as it was read. */
export interface SeenFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/** What errors say of files of some kind. */
export interface FileKind {
  /** "The policy" */
  readonly name: string;
  readonly code: ErrorCode;
  /** Of all files together. */
  readonly maxBytes: number;
}

/**
 * A pipe or a device in the place of a file blocks nobody.
 *
 * @param left how many bytes there may be, where some were read already
 * @throws AmeshError of the kind's code, `storage_failed`
 */
export async function readBoundedFile(path: string, kind: FileKind, left = kind.maxBytes): Promise<SeenFile> {
  const file = await filed(path, open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  try {
    const status = await filed(path, file.stat());
    if (!status.isFile()) throw new AmeshError(kind.code, `${path} is not a file.`);
    const buffer = Buffer.alloc(Math.min(status.size, left) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await filed(path, file.read(buffer, length, buffer.length - length, length));
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length <= left) return { path, content: buffer.subarray(0, length) };
    throw new AmeshError(
      kind.code,
      `${kind.name} is longer than ${kind.maxBytes} bytes, or grew while it was read.`,
    );
  } finally {
    await file.close();
  }
}

/** @throws AmeshError of the given code */
export function textOf({ path, content }: SeenFile, code: ErrorCode): string {
  const text = decodeUtf8(content);
  if (text === undefined) throw new AmeshError(code, `${path} is not UTF-8.`);
  return text;
}

/** @throws AmeshError `storage_failed` where the work fails */
export async function filed<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new AmeshError("storage_failed", `${quoteForeign(path)} cannot be read: ${reason}.`, {
      fix: "Check the path, and that whoever runs this may read it.",
      cause,
    });
  }
}
