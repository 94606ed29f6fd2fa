import { AmeshError, fromBase64Url, toBase64Url } from "@authmesh/core";
import {
  integer,
  Misfit,
  oneOf,
  optional,
  type Reader,
  readDocument,
  record,
  text,
  time,
  withCode,
} from "@authmesh/core/records";
import { feedName } from "./feed-change.js";
import type { FeedMark, FeedName } from "./feed-copy.js";
import { FeedState } from "./feed-state.js";
import { LineSplitter } from "./line-splitter.js";
import { aBreak, readAtOnce, readEntry } from "./read-snapshot.js";

/** A copy as it is kept over restarts. */
export interface KeptFeed {
  readonly state: FeedState;
  readonly mark: FeedMark;
  /** When its youngest head was signed, in Unix seconds. */
  readonly headAt: number | undefined;
  /** Thumbprint of the feed key that was believed then. */
  readonly key: string;
}

/** What the first line of a kept copy says. */
export interface KeptFeedHeader extends FeedName {
  readonly epoch: number;
  readonly number: number;
  readonly headAt?: number;
  readonly key: string;
}

const digest: Reader<Uint8Array> = (value, at) => {
  const bytes = typeof value === "string" ? fromBase64Url(value) : undefined;
  if (bytes?.length !== 32) throw new Misfit(`${at} is not 32 bytes in base64url`);
  return bytes;
};

const readHeader = record({
  version: oneOf(1),
  iss: text(/^https?:\/\/[\x21-\x7e]{1,505}$/, "a URL"),
  feed: feedName,
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  number: integer(0, Number.MAX_SAFE_INTEGER),
  digest,
  headAt: optional(time),
  key: text(/^[A-Za-z0-9_-]{43}$/, "a thumbprint"),
});

/**
 * A copy as text, in parts of some hundred lines: where it stands, then an entry a line. All are of the moment at which
 * the first part is taken. Nothing in it is signed; whoever keeps it seals it.
 */
export function* keptFeedText(
  { iss, feed }: FeedName,
  { state, mark, headAt, key }: KeptFeed,
): Generator<string> {
  const { epoch, number, digest } = mark;
  const head = headAt === undefined ? {} : { headAt };
  const header = { version: 1, iss, feed, epoch, number, digest: toBase64Url(digest), ...head, key };
  let part = [JSON.stringify(header)];
  for (const entry of state.entries()) {
    part.push(JSON.stringify(entry));
    if (part.length < readAtOnce) continue;
    yield `${part.join("\n")}\n`;
    part = [];
  }
  yield part.map((line) => `${line}\n`).join("");
}

/** Where a kept copy stands, from the first of its lines. @throws AmeshError `feed_copy_damaged` */
export const readKeptHeader = (bytes: Uint8Array): KeptFeedHeader & FeedMark =>
  readDocument(bytes.subarray(0, Math.max(0, bytes.indexOf(0x0a))), readHeader, "feed_copy_damaged", what);

/**
 * Reads what `keptFeedText` wrote, with a break now and then.
 *
 * @throws AmeshError `feed_copy_damaged`, also for another feed's; `feed_malformed` for an entry that is none
 */
export async function readKeptFeed({ iss, feed }: FeedName, bytes: Uint8Array): Promise<KeptFeed> {
  const header = readKeptHeader(bytes);
  const { epoch, number, digest, headAt, key } = header;
  if (header.iss !== iss || header.feed !== feed)
    throw new AmeshError("feed_copy_damaged", `${what} is that of ${header.feed} at ${header.iss}.`);
  const state = new FeedState();
  const lines = new LineSplitter(longestLine, what);
  for (let at = bytes.indexOf(0x0a) + 1; at < bytes.length; at += readBytesAtOnce) {
    for (const line of lines.push(bytes.subarray(at, at + readBytesAtOnce)))
      withCode(() => state.apply([readEntry(line)]), "feed_copy_damaged", what);
    await aBreak();
  }
  return { state, mark: { epoch, number, digest }, headAt, key };
}

const what = "The kept copy of a trust feed";
const longestLine = 64 << 10;
/** As many entries as are read without a break, or so. */
const readBytesAtOnce = 128 << 10;
