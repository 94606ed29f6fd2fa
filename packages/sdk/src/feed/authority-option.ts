import { accountForm } from "@authmesh/core/enrollment";
import { originProblem } from "@authmesh/oath/caller";

/** Which authority, and how its feed key is known. */
export interface AuthorityOption {
  /** Its origin, letter by letter as tokens name it in `iss`: "https://auth.example.com". */
  readonly url: string;
  /** Thumbprint of its feed key (RFC 7638, base64url), as `amesh authority status` shows it. */
  readonly key: string;
}

/** What `amesh.verify` and `verifyToken` are told of an authority. */
export interface FeedOptions {
  /**
   * The authority whose feed says whom to accept and who was revoked (docs/protocol.md, section 9). A bare URL is pinned: the
   * feed key that it shows first is kept beside the identity, and another one is refused later. This machine's identity must
   * be enrolled there, and hold `feed:r`. Default: none, the allow list alone counts.
   */
  readonly authority?: string | AuthorityOption | undefined;
  /** The account at the authority: "@acme". Of the authority's tokens only those of this tenant pass then; of other trusted issuers' it says nothing. */
  readonly account?: string | undefined;
  /** Seconds after which a copy of a feed is too old to decide by: then everything is refused, 503. Default 3600. */
  readonly maxStale?: number | undefined;
}

/** Which feed of which authority to follow. */
export interface FeedPlace {
  readonly url: string;
  /** Thumbprint; undefined: the first that is seen is pinned. */
  readonly key: string | undefined;
  readonly feed: string;
  readonly maxStaleSeconds: number;
}

/**
 * The feeds that the options ask for: that of the account, and that of the authority's tokens.
 *
 * @returns undefined without an authority
 * @throws TypeError for what makes no sense
 */
export function feedPlaces({
  authority,
  account,
  maxStale,
}: FeedOptions): { readonly tokens: FeedPlace; readonly account: FeedPlace | undefined } | undefined {
  if (authority === undefined) {
    const stray = Object.entries({ account, maxStale }).find(([, value]) => value !== undefined);
    if (stray !== undefined) throw new TypeError(`${stray[0]} makes no sense without authority.`);
    return undefined;
  }
  if (authority === null) throw new TypeError("authority must be a URL, or { url, key }.");
  const { url, key = undefined } = typeof authority === "string" ? { url: authority } : authority;
  const problem = originProblem(url);
  if (problem !== undefined) throw new TypeError(`authority: ${problem}.`);
  if (typeof authority === "object" && !isText(key, thumbprintPattern))
    throw new TypeError("authority.key must be the thumbprint of a feed key: 43 characters of base64url.");
  if (account !== undefined && !isText(account, accountForm))
    throw new TypeError('account must be the name of an account: "@acme".');
  const maxStaleSeconds = maxStale ?? 3600;
  if (typeof maxStaleSeconds !== "number" || !(maxStaleSeconds > 0))
    throw new TypeError("maxStale must be a number of seconds, and more than 0.");
  const place = (feed: string): FeedPlace => ({ url, key, feed, maxStaleSeconds });
  return { tokens: place("tokens"), account: account === undefined ? undefined : place(account) };
}

const thumbprintPattern = /^[A-Za-z0-9_-]{43}$/;

/** A pattern alone would take the one text of a list for that text. */
const isText = (value: unknown, pattern: RegExp): boolean => typeof value === "string" && pattern.test(value);
