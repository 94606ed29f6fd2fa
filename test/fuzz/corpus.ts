import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./target.js";

/**
 * The inputs that are kept, a file each: `seed-…`, which the parser must take, and those that once showed a fault, under
 * the hash of what they say. Text that is not well-formed is kept as UTF-16.
 */

export interface Entry {
  readonly file: string;
  readonly input: string;
  /** Whether the parser must take it. */
  readonly isGood: boolean;
}

const encodings: Readonly<Record<string, BufferEncoding>> = { txt: "utf8", utf16: "utf16le", bin: "latin1" };

export function corpusOf(folder: string, { name }: Target): readonly Entry[] {
  const place = join(folder, name);
  return readdirSync(place)
    .sort()
    .map((file) => {
      const encoding = encodings[file.slice(file.lastIndexOf(".") + 1)];
      if (encoding === undefined) throw new Error(`${file} is no entry of a corpus`);
      return { file, input: readFileSync(join(place, file), encoding), isGood: file.startsWith("seed-") };
    });
}

/** @returns the path of the new file */
export function keep(folder: string, { name, form }: Target, input: string): string {
  const kind = form === "bytes" ? "bin" : input.isWellFormed() ? "txt" : "utf16";
  const content = Buffer.from(input, encodings[kind]);
  const path = join(
    folder,
    name,
    `${createHash("sha256").update(content).digest("hex").slice(0, 16)}.${kind}`,
  );
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(path, content);
  return path;
}
