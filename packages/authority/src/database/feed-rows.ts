import { canonicalJson, fromBase64Url, type JsonValue, toBase64Url } from "@authmesh/core";
import { type FeedChange, firstFeedDigest, mostFeedChanges, nextFeedDigest } from "@authmesh/oath/feed";
import type { Work } from "./tables.js";

/**
 * Writes changes of a feed as its next delta, or deltas where they are many (docs/protocol.md, section 9.1). The row of the
 * feed is held until the transaction ends, so that numbers have no gaps.
 *
 * @param time Unix seconds
 */
export async function publishChanges(
  work: Work,
  feed: string,
  changes: readonly FeedChange[],
  time: number,
): Promise<void> {
  if (changes.length === 0) return;
  let { epoch, number, digest } = await hold(work, feed);
  for (let from = 0; from < changes.length; from += mostFeedChanges) {
    const part = changes.slice(from, from + mostFeedChanges);
    const before = digest;
    number += 1;
    digest = nextFeedDigest(before, part);
    await work
      .insertInto("feed_deltas")
      .values({
        feed,
        epoch,
        number,
        before: toBase64Url(before),
        changes: canonicalJson(part as unknown as JsonValue),
        at: time,
      })
      .execute();
  }
  await work
    .updateTable("feeds")
    .set({ number, digest: toBase64Url(digest) })
    .where("feed", "=", feed)
    .execute();
}

/** Where the feed stands. Setting a column to itself holds the row on every database. */
async function hold(work: Work, feed: string) {
  const first = { epoch: 1, number: 0, digest: toBase64Url(firstFeedDigest(feed, 1)) };
  const row = await work
    .insertInto("feeds")
    .values({ feed, ...first })
    .onConflict((conflict) => conflict.column("feed").doUpdateSet({ feed }))
    .returning(["epoch", "number", "digest"])
    .executeTakeFirstOrThrow();
  return { epoch: row.epoch, number: row.number, digest: fromBase64Url(row.digest) as Uint8Array };
}
