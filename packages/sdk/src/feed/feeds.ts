import type { FeedStatus } from "@authmesh/oath/feed";
import { LocalFeed, type LocalFeedOptions } from "./local-feed.js";

/** By what was asked for: the copy, and how many verifiers follow it. */
const followed = new Map<string, { readonly feed: LocalFeed; users: number }>();

/** One copy for all verifiers of the process that ask for the same. The log of the first is told. */
export function localFeed(options: LocalFeedOptions): LocalFeed {
  const { folder, url, key, feed, maxStaleSeconds } = options;
  const name = JSON.stringify([folder, url, key, feed, maxStaleSeconds]);
  const known = followed.get(name) ?? { feed: new LocalFeed(options), users: 0 };
  known.users++;
  followed.set(name, known);
  return known.feed;
}

/** A verifier follows it no more. With the last one the copy is written down, and the connection ends. */
export async function leaveFeed(feed: unknown): Promise<void> {
  const [name, known] = [...followed].find(([, each]) => each.feed === feed) ?? [];
  if (name === undefined || known === undefined || --known.users > 0) return;
  followed.delete(name);
  await known.feed.close();
}

/** How the feeds are that this process follows, for a health check or a page of status. */
export const feedStatuses = (): readonly FeedStatus[] =>
  [...followed.values()].map(({ feed }) => feed.status);

/** Ends every connection to an authority, once the copies are written down. What a verifier is asked later it refuses when they are too old. */
export async function closeFeeds(): Promise<void> {
  const feeds = [...followed.values()];
  followed.clear();
  await Promise.all(feeds.map(({ feed }) => feed.close()));
}
