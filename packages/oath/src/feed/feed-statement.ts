import {
  AmeshError,
  fromBase64Url,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
  readJwsHeader,
  splitCompactJws,
} from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  oneOf,
  type Reader,
  record,
  text,
  time,
  withCode,
} from "@authmesh/core/records";
import type { IssuerKey } from "../keys.js";
import { type FeedChange, feedName, mostFeedChanges, readFeedChange } from "./feed-change.js";

/** What every statement of a feed says (docs/protocol.md, section 9.2). `iat` in Unix seconds. */
interface Stated {
  readonly iss: string;
  readonly feed: string;
  readonly epoch: number;
  readonly number: number;
  readonly iat: number;
}

/** Where the feed stands now: what alone makes a copy younger. */
export interface FeedHead extends Stated {
  readonly kind: "head";
  readonly digest: Uint8Array;
}

export interface FeedDelta extends Stated {
  readonly kind: "delta";
  /** The digest that the state must have for this delta to follow. */
  readonly before: Uint8Array;
  readonly changes: readonly FeedChange[];
}

export interface FeedSnapshot extends Stated {
  readonly kind: "snapshot";
  readonly digest: Uint8Array;
  /** SHA-256 of the lines that follow. */
  readonly body: Uint8Array;
  readonly entries: number;
}

export type FeedStatement = FeedHead | FeedDelta | FeedSnapshot;

/** A delta of 1,000 changes with the longest names fits. */
const longest = 2 << 20;

const digest: Reader<Uint8Array> = (value, at) => {
  const bytes = typeof value === "string" ? fromBase64Url(value) : undefined;
  if (bytes?.length !== 32) throw new Misfit(`${at} is not 32 bytes in base64url`);
  return bytes;
};
const natural = integer(0, Number.MAX_SAFE_INTEGER);

const stated = {
  iss: text(/^https?:\/\/[\x21-\x7e]{1,255}$/, "a URL"),
  feed: feedName,
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  number: natural,
  iat: time,
};

const changes: Reader<FeedChange[]> = (value, at) => {
  const read = listOf(readFeedChange, mostFeedChanges)(value, at);
  if (read.length === 0) throw new Misfit(`${at} is empty`);
  return read;
};

const readers: Readonly<Record<FeedStatement["kind"], Reader<FeedStatement>>> = {
  head: record({ ...stated, kind: oneOf("head"), digest }),
  delta: record({ ...stated, kind: oneOf("delta"), before: digest, changes }),
  snapshot: record({ ...stated, kind: oneOf("snapshot"), digest, body: digest, entries: natural }),
};

/**
 * Reads a statement of a feed and verifies its signature; form first, then the signature, then the content.
 *
 * @param keys the feed key of a `kid`, if that is trusted
 * @throws AmeshError `feed_malformed`
 */
export function readFeedStatement(jws: string, keys: (kid: string) => IssuerKey | undefined): FeedStatement {
  const parts = splitCompactJws(jws, longest);
  if (typeof parts === "string") throw malformed(parts);
  const header = readJwsHeader(parts.header, "amesh-feed+jwt", ["EdDSA"]);
  if (header.problem !== undefined) throw malformed(header.problem);
  const key = keys(header.kid);
  if (key === undefined) throw new AmeshError("feed_key_changed");
  if (key.alg !== "EdDSA" || !key.verify(parts.signingInput, parts.signature))
    throw malformed("its signature is wrong");
  const { value, problem } = parseStrictJson(parts.payload, { integers: true, maxLength: longest });
  if (problem !== undefined) throw malformed(problem);
  const read: Reader<FeedStatement> = (value, at) => {
    const kind = (value as JsonObject | null)?.["kind"];
    if (typeof kind !== "string" || !Object.hasOwn(readers, kind))
      throw new Misfit("kind is not head, delta or snapshot");
    return readers[kind as FeedStatement["kind"]](value, at);
  };
  return withCode(() => read(value as JsonValue, ""), "feed_malformed", "The statement of the trust feed");
}

const malformed = (problem: string): AmeshError =>
  new AmeshError("feed_malformed", `The statement of the trust feed is refused: ${problem}.`);
