import type { FileHandle } from "node:fs/promises";
import { type ChainLine, readChainLine } from "../audit/chain.js";
import { longestLine } from "../audit/encode-event.js";

/** How a file of lines ends. */
export interface Tail {
  /** The last whole line; undefined when there is none, or it is no line of a chain. */
  readonly line: ChainLine | undefined;
  /** Bytes up to and with the last end of line. */
  readonly size: number;
  /** Bytes after it. */
  readonly torn: number;
}

const newline = 0x0a;
/** UTF-8 takes three bytes for a UTF-16 code unit at most. */
const mostBytes = 2 * 3 * longestLine;

/** In a file that is not one of ours nothing counts as torn. */
export async function readTail(handle: FileHandle, fileSize: number): Promise<Tail> {
  for (let length = 1 << 16; ; length *= 4) {
    const start = Math.max(0, fileSize - Math.min(length, mostBytes));
    const bytes = await readAt(handle, start, fileSize - start);
    const end = bytes.lastIndexOf(newline);
    const before = end < 1 ? -1 : bytes.lastIndexOf(newline, end - 1);
    const isWhole = start === 0 || before >= 0;
    if (!isWhole && length < mostBytes) continue;
    const size = start + end + 1;
    const line = end < 0 || !isWhole ? undefined : readChainLine(bytes.subarray(before + 1, end));
    const begun = size === 0 && beginsLikeLine(bytes);
    return line === undefined && !begun
      ? { line, size: fileSize, torn: 0 }
      : { line, size, torn: fileSize - size };
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

const lineStart = Buffer.from('{"data":');

const beginsLikeLine = (bytes: Buffer): boolean =>
  bytes.subarray(0, lineStart.length).equals(lineStart.subarray(0, Math.min(bytes.length, lineStart.length)));
