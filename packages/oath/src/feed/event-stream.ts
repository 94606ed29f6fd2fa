import { AmeshError, decodeUtf8 } from "@authmesh/core";
import { LineSplitter } from "./line-splitter.js";

/** One event of a stream (WHATWG HTML, 9.2). */
export interface ServerEvent {
  /** "message" where the stream does not say. */
  readonly event: string;
  readonly data: string;
  /** The id of this event, or of the last before it that had one. */
  readonly id: string;
}

/** A delta with 1,000 changes of the longest names, in base64url. */
const longestLine = 3 << 20;
const mostDataLines = 1000;

/**
 * Reads an event stream as it arrives: lines that end in LF or CR LF, comments, and the fields `event`, `data` and
 * `id`; others are ignored, as the standard asks.
 */
export class EventStreamReader {
  readonly #lines = new LineSplitter(longestLine, "The event stream");
  #isFirst = true;
  #event = "";
  #id = "";
  #data: string[] = [];
  #length = 0;

  /** The events that end in these bytes. @throws AmeshError `feed_malformed` for what is not UTF-8, or too long */
  push(bytes: Uint8Array): ServerEvent[] {
    return this.#lines.push(bytes).flatMap((line) => this.#take(this.#textOf(line)) ?? []);
  }

  #textOf(line: Uint8Array): string {
    const text = decodeUtf8(line);
    if (text === undefined) throw malformed("it is not UTF-8");
    const plain = this.#isFirst ? text.replace(/^\uFEFF/, "") : text;
    this.#isFirst = false;
    return plain.replace(/\r$/, "");
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const [name, value] =
      colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "event") this.#event = value;
    else if (name === "id") this.#id = value.includes("\0") ? this.#id : value;
    else if (name === "data") this.#add(value);
    return undefined;
  }

  #add(value: string): void {
    this.#length += value.length;
    if (this.#data.length >= mostDataLines || this.#length > longestLine)
      throw malformed("an event is too long");
    this.#data.push(value);
  }

  #dispatch(): ServerEvent | undefined {
    const [event, data, isEmpty] = [this.#event || "message", this.#data.join("\n"), this.#data.length === 0];
    this.#event = "";
    this.#data = [];
    this.#length = 0;
    return isEmpty ? undefined : { event, data, id: this.#id };
  }
}

const malformed = (problem: string): AmeshError =>
  new AmeshError("feed_malformed", `The event stream is refused: ${problem}.`);
