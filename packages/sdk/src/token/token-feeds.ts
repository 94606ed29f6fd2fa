import type { RevocationSource } from "@authmesh/oath";
import { feedRevocations } from "@authmesh/oath/feed";
import { machine } from "#machine";
import { type FeedOptions, type FeedPlace, feedPlaces } from "../feed/authority-option.js";
import type { Logger } from "../logger.js";

/**
 * What an authority's feeds say of tokens.
 *
 * @returns undefined without an authority; `ready` resolves, never rejects
 * @throws TypeError for options that make no sense
 */
export function tokenFeeds(
  { trustedIssuers, ...options }: FeedOptions & { readonly trustedIssuers: readonly string[] },
  logger: Logger,
): (RevocationSource & { ready(): Promise<void> }) | undefined {
  const places = feedPlaces(options);
  if (places === undefined) return undefined;
  const { url } = places.tokens;
  if (![trustedIssuers].flat().includes(url))
    throw new TypeError(
      `authority: ${url} is none of trustedIssuers, so its feed would say nothing of any token that is taken.`,
    );
  const follow = (place: FeedPlace) => machine.localFeed({ ...place, folder: undefined, logger });
  const tokens = follow(places.tokens);
  const account = places.account && { name: places.account.feed, feed: follow(places.account) };
  const source = feedRevocations({ issuer: url, tokens, account });
  return {
    find: (token) => source.find(token),
    async ready() {
      await Promise.all([tokens.ready(), account?.feed.ready()]);
    },
  };
}
