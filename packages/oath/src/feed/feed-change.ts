import {
  canonicalJson,
  concatBytes,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type Scopes,
  sha256,
  toBase64Url,
  utf8,
} from "@authmesh/core";
import {
  Misfit,
  optional,
  type Reader,
  type RecordOf,
  reasonText,
  record,
  scopeMap,
  text,
  time,
} from "@authmesh/core/records";
import type { RevocationSubject } from "../revocation.js";

/** The feed of the authority's tokens; every other one is that of an account: "@acme". */
export const tokensFeed = "tokens";

export const feedName = text(/^(?:tokens|@[a-z0-9-]{2,32})$/, "the name of a feed");

/** Where a feed stands: numbers count within an epoch. */
export interface FeedPosition {
  readonly epoch: number;
  readonly number: number;
}

/** Whether it is a point of the curve is found out when it is imported: that costs 50 µs, and feeds are long. */
const publicKey = text(/^A[g-z0-9+/][A-Za-z0-9+/]{42}$/, "a P-256 public key, compressed and in base64");

/** A device that the account vouches for. */
export const readFeedDevice = record({
  key: publicKey,
  name: text(/^[A-Za-z0-9_.-]{1,64}\/[A-Za-z0-9_.-]{1,64}$/, "APP/DEVICE"),
  sub: text(/^svc:\/\/[A-Za-z0-9/_.-]{1,256}$/, "a subject"),
  scopes: scopeMap,
  expiresAt: optional(time),
});
export type FeedDevice = Readonly<RecordOf<{ [K in "key" | "name" | "sub"]: Reader<string> }>> & {
  readonly scopes: Scopes;
  readonly expiresAt?: number;
};

/** That a device, or what a token has, was revoked. */
export const readFeedRevocation = record({
  at: time,
  reason: optional(reasonText),
  expiresAt: optional(time),
});
export type FeedRevocation = ReturnType<typeof readFeedRevocation>;

/** That a device is one of the account's no more, without a revocation. */
export const readFeedEnd = record({ at: time });
export type FeedEnd = ReturnType<typeof readFeedEnd>;

/** What a token has that was revoked. */
export interface RevokedName {
  readonly by: RevocationSubject;
  readonly value: string;
}

/** The id of its entry in the feed `tokens`: who holds a token finds it, and nobody reads there whose tokens there are. */
export const feedTokenId = ({ by, value }: RevokedName): string =>
  `${by}:${toBase64Url(sha256(utf8(value)))}`;

/** One change of a feed's state (docs/protocol.md, section 9.1): null where the entry goes. */
export type FeedChange = readonly [kind: string, id: string, value: JsonObject | null];

export const mostFeedChanges = 1000;

export const readFeedChange: Reader<FeedChange> = (value, at) => {
  const [kind, id, content, ...more] = Array.isArray(value) ? (value as readonly JsonValue[]) : [];
  if (
    more.length > 0 ||
    typeof kind !== "string" ||
    !/^[a-z-]{1,32}$/.test(kind) ||
    typeof id !== "string" ||
    id.length < 1 ||
    id.length > 600 ||
    !(content === null || isJsonObject(content))
  )
    throw new Misfit(`${at} is not a change: [kind, id, value or null]`);
  return [kind, id, content];
};

/** The digest of a feed before its first delta in an epoch. */
export const firstFeedDigest = (feed: string, epoch: number): Uint8Array =>
  sha256(utf8(`amesh/feed/1\n${feed}\n${epoch}`));

/** The digest after a delta: a chain over all that came before. */
export const nextFeedDigest = (before: Uint8Array, changes: readonly FeedChange[]): Uint8Array =>
  sha256(concatBytes(before, sha256(canonicalJson(changes as unknown as JsonValue))));
