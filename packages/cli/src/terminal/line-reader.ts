import type { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";

const longestLine = 4096;

/** Reads a stream line by line, on demand. */
export class LineReader {
  readonly #input: () => AsyncIterator<Buffer>;
  #chunks: AsyncIterator<Buffer> | undefined;
  #read = "";

  constructor(input: Readable) {
    // Begun late: a standard input that is read keeps a process alive.
    this.#input = () => input.iterator({ destroyOnReturn: false });
  }

  /** The next line, without its end; undefined after the last one. @throws AmeshError `invalid_option` */
  async next(): Promise<string | undefined> {
    this.#chunks ??= this.#input();
    for (;;) {
      const [, line, rest] = /^([^\n]*?)\r?\n(.*)$/s.exec(this.#read) ?? [];
      if (line !== undefined && rest !== undefined) {
        this.#read = rest;
        return line;
      }
      if (this.#read.length > longestLine)
        throw new AmeshError("invalid_option", "The line read is too long.");
      // A terminal that is gone, and whatever else cannot be read, has ended.
      const chunk = await this.#chunks.next().catch(() => ({ done: true, value: undefined }) as const);
      if (chunk.done) break;
      this.#read += chunk.value.toString("utf8");
    }
    const last = this.#read;
    this.#read = "";
    return last === "" ? undefined : last;
  }
}
