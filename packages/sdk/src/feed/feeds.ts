import type { FeedStatus } from "@authmesh/oath/feed";
import { LocalFeed, type LocalFeedOptions } from "./local-feed.js";

const followed = new Map<string, LocalFeed>();

/** One copy for all verifiers of the process that ask for the same. The log of the first is told. */
export function localFeed(options: LocalFeedOptions): LocalFeed {
  const { folder, url, key, feed, maxStaleSeconds } = options;
  const name = JSON.stringify([folder, url, key, feed, maxStaleSeconds]);
  const known = followed.get(name) ?? new LocalFeed(options);
  followed.set(name, known);
  return known;
}

/** How the feeds are that this process follows, for a health check or a page of status. */
export const feedStatuses = (): readonly FeedStatus[] => [...followed.values()].map(({ status }) => status);

/** Ends every connection to an authority, once the copies are written down. What a verifier is asked later it refuses when they are too old. */
export async function closeFeeds(): Promise<void> {
  const feeds = [...followed.values()];
  followed.clear();
  await Promise.all(feeds.map((feed) => feed.close()));
}
