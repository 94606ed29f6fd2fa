import { AmeshError, concatBytes } from "@authmesh/core";

const lineFeed = 0x0a;

/** Lines of bytes that arrive in pieces, each ended by a line feed. */
export class LineSplitter {
  readonly #longest: number;
  readonly #what: string;
  #rest: Uint8Array = new Uint8Array();

  /** @param longest bytes of a line; @param what errors call the whole */
  constructor(longest: number, what: string) {
    this.#longest = longest;
    this.#what = what;
  }

  /** Whether what came last was a whole line. */
  get atEnd(): boolean {
    return this.#rest.length === 0;
  }

  /** The lines that end in these bytes, without their line feeds. @throws AmeshError `feed_malformed` for one that is too long */
  push(bytes: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      lines.push(this.#whole(bytes.subarray(start, end)));
      start = end + 1;
    }
    this.#rest = this.#whole(bytes.slice(start));
    return lines;
  }

  #whole(end: Uint8Array): Uint8Array {
    if (this.#rest.length + end.length > this.#longest)
      throw new AmeshError("feed_malformed", `${this.#what} has a line of more than ${this.#longest} bytes.`);
    const line = this.#rest.length === 0 ? end : concatBytes(this.#rest, end);
    this.#rest = new Uint8Array();
    return line;
  }
}
