import type { Failure } from "@authmesh/core";
import type { RevocationSource } from "@authmesh/oath";
import { feedRevocations } from "@authmesh/oath/feed";
import { machine } from "#machine";
import { type FeedOptions, type FeedPlace, feedPlaces } from "../feed/authority-option.js";
import type { Logger } from "../logger.js";

/**
 * What an authority's feeds say of tokens.
 *
 * @param options with the folder of the identity that asks for them. Default: AUTH_MESH_DIR, else ~/.amesh
 * @returns undefined without an authority; `ready` resolves, never rejects; `check` says why nothing can be decided
 * @throws TypeError for options that make no sense
 */
export function tokenFeeds(
  {
    trustedIssuers,
    identity: folder,
    ...options
  }: FeedOptions & { readonly trustedIssuers: readonly string[]; readonly identity: string | undefined },
  logger: Logger,
):
  | (RevocationSource & { ready(): Promise<void>; check(): Failure | undefined; close(): Promise<void> })
  | undefined {
  const places = feedPlaces(options);
  if (places === undefined) return undefined;
  const { url } = places.tokens;
  if (![trustedIssuers].flat().includes(url))
    throw new TypeError(
      `authority: ${url} is none of trustedIssuers, so its feed would say nothing of any token that is taken.`,
    );
  const follow = (place: FeedPlace) => machine.localFeed({ ...place, folder, logger });
  const tokens = follow(places.tokens);
  const account = places.account && { name: places.account.feed, feed: follow(places.account) };
  const source = feedRevocations({ issuer: url, tokens, account });
  return {
    find: (token) => source.find(token),
    check: () => tokens.check() ?? account?.feed.check(),
    async close() {
      await Promise.all([tokens, account?.feed ?? []].flat().map((feed) => machine.leaveFeed(feed)));
    },
    async ready() {
      await Promise.all([tokens.ready(), account?.feed.ready()]);
    },
  };
}
