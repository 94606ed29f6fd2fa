import { AmeshError, type Failure, quoteForeign } from "@authmesh/core";
import { originProblem } from "../issuer-url.js";
import { revocationKeysOf } from "../revocation/revocation-keys.js";
import type { RevocableToken, Revocation, RevocationSource } from "../revocation.js";
import type { FeedRevocation } from "./feed-change.js";
import type { FeedState } from "./feed-state.js";

/** A copy that is asked: `FollowedFeed` is one. */
export interface RevokingFeed {
  readonly state: Pick<FeedState, "tokenRevocation" | "findBySubject">;
  check(): Failure | undefined;
}

export interface FeedRevocationsOptions {
  /** As it stands in `iss`. Of tokens of other issuers nothing is known. */
  readonly issuer: string;
  /** The authority's feed `tokens`. */
  readonly tokens: RevokingFeed;
  /** The feed of an account, and its name: "@acme". Tokens of this tenant alone pass, and its devices' tokens end with them. */
  readonly account?: { readonly name: string; readonly feed: RevokingFeed } | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

/**
 * Revocations of an authority's tokens, as its feeds tell of them (docs/protocol.md, section 9.4): by subject, token, key and
 * tenant from `tokens`; and a token whose subject is a device's of the account is good as long as the account's feed
 * vouches for a device of that subject. With an account the issuer is trusted for that tenant alone.
 *
 * `find` raises AmeshError `trust_stale` while a feed is too old, and `issuer_untrusted` for a token of another tenant or of
 * none.
 *
 * @throws TypeError for an issuer that is no authority's: of its tokens nothing would ever be found
 */
export function feedRevocations({
  issuer,
  tokens,
  account,
  now = Date.now,
}: FeedRevocationsOptions): RevocationSource {
  const problem = originProblem(issuer);
  if (problem !== undefined) throw new TypeError(`issuer: ${problem}.`);
  const isOver = ({ expiresAt }: FeedRevocation | { readonly expiresAt?: number }): boolean =>
    expiresAt !== undefined && now() >= expiresAt * 1000;
  const revokedToken = (token: RevocableToken): Revocation | undefined => {
    for (const key of revocationKeysOf(token)) {
      const found = tokens.state.tokenRevocation(key);
      if (found === undefined || isOver(found)) continue;
      const { reason = "" } = found;
      return { ...key, actor: issuer, ...found, reason };
    }
    return undefined;
  };
  const ofGoneDevice = ({ sub }: RevocableToken): Revocation | undefined => {
    if (account === undefined || !isDeviceOf(account.name, sub)) return undefined;
    const device = account.feed.state.findBySubject(sub);
    if (device !== undefined && !isOver(device)) return undefined;
    const at = Math.floor(now() / 1000);
    return {
      issuer,
      by: "sub",
      value: sub,
      actor: issuer,
      at,
      reason: `${account.name} vouches for no such device`,
    };
  };
  return {
    find(token) {
      if (token.iss !== issuer) return undefined;
      if (account !== undefined && token.tenant !== account.name) throw ofOtherTenant(account.name, token);
      const problem = tokens.check() ?? account?.feed.check();
      if (problem !== undefined) throw new AmeshError(problem);
      return revokedToken(token) ?? ofGoneDevice(token);
    },
  };
}

const ofOtherTenant = (account: string, { iss, tenant }: RevocableToken): AmeshError =>
  new AmeshError(
    "issuer_untrusted",
    `The token is of ${tenant === undefined ? "no tenant" : `the tenant ${quoteForeign(tenant)}`}; of ${iss} only those of ${account} are taken here.`,
    { fix: `Get a token of ${account}, or verify others without the option account.` },
  );

/** The subject of an enrolled device's tokens: `svc://ACCOUNT/APP/DEVICE`. */
function isDeviceOf(account: string, subject: string): boolean {
  const prefix = `svc://${account.slice(1)}/`;
  return subject.startsWith(prefix) && /^[^/]+\/[^/]+$/.test(subject.slice(prefix.length));
}
