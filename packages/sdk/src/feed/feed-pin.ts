import { AmeshError } from "@authmesh/core";
import { integer, listOf, oneOf, readDocument, record, text } from "@authmesh/core/records";
import { type FeedAnchor, feedKey } from "@authmesh/oath/feed";

/** The feed key of an authority that this machine has come to. */
export interface FeedPin extends FeedAnchor {
  readonly url: string;
  /** The thumbprint that was configured when it was written; "" where none was. */
  readonly from: string;
}

/** With a thumbprint for each of the rotations that an authority may tell of. */
export const longestPin = 64 << 10;

const readPin = record({
  version: oneOf(1),
  url: text(/^https?:\/\/[\x21-\x7e]{1,505}$/, "a URL"),
  from: text(/^(?:[A-Za-z0-9_-]{43})?$/, "a thumbprint, or nothing"),
  key: feedKey,
  seq: integer(0, Number.MAX_SAFE_INTEGER),
  through: listOf(text(/^[A-Za-z0-9_-]{43}$/, "a thumbprint"), 1000),
});

/** @throws AmeshError `feed_copy_damaged` */
export const pinOf = (bytes: Uint8Array, what: string): FeedPin =>
  readDocument(bytes, readPin, "feed_copy_damaged", what);

export const pinText = ({ url, from, key, seq, through }: FeedPin): string =>
  `${JSON.stringify({ version: 1, url, from, key, seq, through })}\n`;

/** Whether rotations led from a key to the pinned one, or it is that. */
export const leadsToPin = (thumbprint: string, { key, through }: FeedAnchor): boolean =>
  thumbprint === key.kid || through.includes(thumbprint);

/**
 * What several services of a machine came to, each from the key that it was given: the key to which rotations led furthest. A key
 * from which none leads to the other one takes its place where a person named it, and is refused otherwise.
 *
 * @throws AmeshError `feed_key_changed`
 */
export function joinPins(stored: FeedPin | undefined, next: FeedPin): FeedPin {
  if (stored === undefined) return next;
  if (leadsToPin(stored.key.kid, next)) return ledFrom(stored, next);
  if (leadsToPin(next.key.kid, stored)) return ledFrom(next, stored);
  if (next.from !== "" && !leadsToPin(next.from, stored)) return next;
  throw new AmeshError(
    "feed_key_changed",
    `${next.url} led to ${next.key.kid}, and another service of this machine to ${stored.key.kid}.`,
  );
}

/** The later pin, with all that is known to have led there. */
function ledFrom({ key, through }: FeedPin, later: FeedPin): FeedPin {
  const keys = [...later.through, later.key.kid];
  const at = keys.indexOf(key.kid);
  const before = through.length > at ? through : later.through.slice(0, at);
  return { ...later, through: [...before, ...later.through.slice(at)] };
}
