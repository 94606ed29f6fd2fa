import { readFileSync } from "node:fs";
import { AmeshError, fromBase64Url, toBase64Url } from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  optional,
  type Reader,
  readDocument,
  record,
  text,
} from "@authmesh/core/records";
import { replaceFile } from "@authmesh/keystore";
import { feedName } from "@authmesh/oath/feed";
import type { FeedKeyPosition } from "./feed-key.js";
import type { FeedState } from "./feed-store.js";
import { isBehind } from "./served-feed.js";

const digest: Reader<Uint8Array> = (value, at) => {
  const bytes = typeof value === "string" ? fromBase64Url(value) : undefined;
  if (bytes?.length !== 32) throw new Misfit(`${at} is not 32 bytes in base64url`);
  return bytes;
};
const natural = integer(0, Number.MAX_SAFE_INTEGER);
const document = record({
  version: integer(1, 1),
  feeds: listOf(record({ feed: feedName, epoch: natural, number: natural, digest }), 1_000_000),
  key: optional(record({ thumbprint: text(/^[A-Za-z0-9_-]{43}$/, "a thumbprint"), seq: natural })),
});

/**
 * Remembers beside the database how far each feed was served, and by which key, so that a database which was restored from
 * a backup is noticed (docs/protocol.md, section 9.1).
 */
export class HeadFile {
  readonly #path: string;
  readonly #heads: Map<string, FeedState>;
  #key: FeedKeyPosition | undefined;
  #isWritten = true;

  /** @throws AmeshError `storage_failed` for a file that cannot be read */
  constructor(path: string) {
    this.#path = path;
    const { heads, key } = readHeads(path);
    this.#heads = heads;
    this.#key = key;
  }

  /** By which the feeds were signed; undefined where nothing is remembered. */
  get key(): FeedKeyPosition | undefined {
    return this.#key;
  }

  set key(key: FeedKeyPosition) {
    if (key.thumbprint === this.#key?.thumbprint && key.seq === this.#key.seq) return;
    this.#key = key;
    this.#isWritten = false;
  }

  get feeds(): readonly string[] {
    return [...this.#heads.keys()];
  }

  /** The furthest that the feed was served. */
  get(feed: string): FeedState | undefined {
    return this.#heads.get(feed);
  }

  raise(feed: string, state: FeedState): void {
    const known = this.#heads.get(feed);
    if (known !== undefined && !isBehind(known, state)) return;
    this.#heads.set(feed, state);
    this.#isWritten = false;
  }

  /** Writes what was raised. @throws AmeshError `storage_failed` */
  async flush(): Promise<void> {
    if (this.#isWritten) return;
    this.#isWritten = true;
    const feeds = [...this.#heads].map(([feed, { digest, ...at }]) => ({
      feed,
      ...at,
      digest: toBase64Url(digest),
    }));
    try {
      await replaceFile(this.#path, `${JSON.stringify({ version: 1, feeds, key: this.#key })}\n`);
    } catch (error) {
      this.#isWritten = false;
      throw error;
    }
  }
}

function readHeads(path: string): {
  readonly heads: Map<string, FeedState>;
  readonly key?: FeedKeyPosition;
} {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { heads: new Map() };
    throw new AmeshError("storage_failed", `${path} cannot be read.`, { cause });
  }
  const fix =
    "Remove the file. If the database was restored from a backup, run `amesh authority new-epoch` before that.";
  const { feeds, ...rest } = readDocument(
    bytes,
    document,
    "storage_failed",
    path,
    { maxLength: 256 << 20 },
    fix,
  );
  return { heads: new Map(feeds.map(({ feed, ...state }) => [feed, state])), ...rest };
}
