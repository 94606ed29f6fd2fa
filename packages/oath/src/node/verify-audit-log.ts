import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { AmeshError } from "@authmesh/core";
import { storageFailed } from "@authmesh/core/storage-error";
import { readChainLine } from "../audit/chain.js";
import { longestLine } from "../audit/encode-event.js";
import { LogCheck, type LogCheckOptions, type LogReport, type Place } from "../audit/log-check.js";
import { lockSuffix } from "./writer-lock.js";

export interface VerifyAuditLogOptions extends LogCheckOptions {
  /** Told about once a second how far it is: bytes of the files, and all of them. */
  readonly onProgress?: (done: number, total: number) => void;
}

const newline = 0x0a;
/** In the place of what was read of a line that is longer than any of ours: it takes no more memory, and is no JSON. */
const tooLong = Buffer.from("\0");
/** UTF-8 takes three bytes for a UTF-16 code unit at most. */
const mostBytes = 3 * longestLine;
const chunkBytes = 1 << 18;
const progressEveryMs = 1000;

/**
 * Checks files of one log, in whatever order they are given, in memory that does not grow with them
 * (docs/protocol.md, section 13.5). A name that ends in `.lock` is passed over: `audit.jsonl*` matches the writer's lock.
 *
 * @throws AmeshError `storage_failed`; `invalid_option` for a checkpoint that none of the keys signed, and where no file is named
 */
export async function verifyAuditLog(
  files: readonly string[],
  options: VerifyAuditLogOptions = {},
): Promise<LogReport> {
  const check = new LogCheck(options);
  const logs = files.filter((file) => !file.endsWith(lockSuffix));
  if (logs.length === 0) throw new AmeshError("invalid_option", "No file of a log was named.");
  const ordered = await inOrder(logs);
  const total = ordered.reduce((sum, { size }) => sum + size, 0);
  let [done, told] = [0, performance.now()];
  for (const { file } of ordered)
    await eachLine(file, check, (bytes) => {
      done += bytes;
      if (performance.now() - told < progressEveryMs) return;
      told = performance.now();
      options.onProgress?.(done, total);
    });
  return check.end();
}

/** By the number of the first line. */
async function inOrder(files: readonly string[]): Promise<{ file: string; size: number; first: number }[]> {
  const found = await Promise.all(
    files.map(async (file) => {
      try {
        const { size } = await stat(file);
        return { file, size, first: await firstSequence(file) };
      } catch (error) {
        throw storageFailed(file, error);
      }
    }),
  );
  return found.sort((a, b) => a.first - b.first);
}

async function firstSequence(file: string): Promise<number> {
  const parts: Buffer[] = [];
  for await (const chunk of createReadStream(file, { end: mostBytes })) {
    const end = (chunk as Buffer).indexOf(newline);
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end >= 0) break;
  }
  return readChainLine(Buffer.concat(parts))?.sequence ?? 0;
}

async function eachLine(file: string, check: LogCheck, read: (bytes: number) => void): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  const place = { file, line: 0 };
  const next = (): Place => ({ file, line: ++place.line });
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
      read((chunk as Buffer).length);
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
        check.line(bytes.subarray(start, end), next());
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > mostBytes) rest = tooLong;
    }
  } catch (error) {
    throw storageFailed(file, error);
  }
  if (rest.length > 0) check.torn(next());
}
