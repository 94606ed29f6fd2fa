import { canonicalJson, fromBase64Url, type JsonObject, type JsonValue, toBase64Url } from "@authmesh/core";
import {
  type FeedChange,
  type FeedPosition,
  firstFeedDigest,
  mostFeedChanges,
  nextFeedDigest,
} from "@authmesh/oath/feed";
import type { FeedState } from "../feed/feed-store.js";
import { announceChange } from "./change-listener.js";
import type { Database, Work } from "./tables.js";

/** Parameters of one statement are limited; there are four a row. */
const mostInOneWrite = 500;

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
  const state = await hold(work, feed);
  await writeEntries(work, feed, changes);
  await writeDeltas(work, feed, state, changes, time);
  await announceChange(work);
}

/** Makes the row of a feed that has none: a feed without changes. */
export async function createFeed(database: Database, feed: string): Promise<void> {
  await database
    .insertInto("feeds")
    .values({ feed, ...first(feed, 1) })
    .onConflict((conflict) => conflict.column("feed").doNothing())
    .execute();
}

/**
 * Begins the epoch after `above`, unless one after that has begun: number 0, and deltas that hold all that there is.
 *
 * @param time Unix seconds
 * @returns where the feed stood before; undefined where there was nothing to do
 */
export async function beginEpoch(
  work: Work,
  feed: string,
  above: number,
  time: number,
): Promise<FeedState | undefined> {
  const before = await hold(work, feed);
  if (before.epoch > above) return undefined;
  const epoch = above + 1;
  const start = { epoch, number: 0, digest: firstFeedDigest(feed, epoch) };
  await writeState(work, feed, start);
  const entries: FeedChange[] = [];
  for await (const page of readEntries(work, feed))
    for (const { kind, id, value } of page) entries.push([kind, id, JSON.parse(value) as JsonObject]);
  await writeDeltas(work, feed, start, entries, time);
  await announceChange(work);
  return before;
}

/** Where feeds stand: those that are named, or all of them. */
export async function readStates(
  database: Database | Work,
  feeds?: readonly string[],
): Promise<ReadonlyMap<string, FeedState>> {
  const all = database.selectFrom("feeds").selectAll();
  const rows = await (feeds === undefined ? all : all.where("feed", "in", feeds)).execute();
  return new Map(rows.map(({ feed, ...row }) => [feed, stateOf(row)]));
}

/** The deltas of an epoch after a number, in their order, without gaps; undefined where the next one is not there any more. */
export async function readDeltas(
  database: Database,
  feed: string,
  { epoch, number }: FeedPosition,
  limit: number,
) {
  const rows = await database
    .selectFrom("feed_deltas")
    .select(["number", "before", "changes", "at"])
    .where("feed", "=", feed)
    .where("epoch", "=", epoch)
    .where("number", ">", number)
    .orderBy("number")
    .limit(limit)
    .execute();
  return rows.map(({ number, before, changes, at }) => ({
    epoch,
    number,
    before: fromBase64Url(before) as Uint8Array,
    changes: JSON.parse(changes) as FeedChange[],
    at,
  }));
}

const entriesAtOnce = 5000;

/** The entries of a feed ordered by kind and then id, by code units, a page at a time; to be read in one transaction. */
export async function* readEntries(work: Work, feed: string) {
  let after = { kind: "", id: "" };
  for (;;) {
    const { kind, id } = after;
    const rows = await work
      .selectFrom("feed_entries")
      .select(["kind", "id", "value"])
      .where("feed", "=", feed)
      .where((is) => is(is.refTuple("kind", "id"), ">", is.tuple(kind, id)))
      .orderBy("kind")
      .orderBy("id")
      .limit(entriesAtOnce)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < entriesAtOnce) return;
    after = last;
  }
}

/** Drops deltas from before a time (Unix seconds) that are of an earlier epoch, or not among the last `kept`. */
export async function dropDeltas(database: Database, before: number, kept: number): Promise<void> {
  await database
    .deleteFrom("feed_deltas")
    .where("at", "<", before)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("feeds")
          .select("feeds.feed")
          .whereRef("feeds.feed", "=", "feed_deltas.feed")
          .where(({ eb, or }) =>
            or([
              eb("feeds.epoch", ">", eb.ref("feed_deltas.epoch")),
              eb(eb("feeds.number", "-", kept), ">=", eb.ref("feed_deltas.number")),
            ]),
          ),
      ),
    )
    .execute();
}

/** Where the feed stands. Setting a column to itself holds the row on every database. */
async function hold(work: Work, feed: string): Promise<FeedState> {
  const row = await work
    .insertInto("feeds")
    .values({ feed, ...first(feed, 1) })
    .onConflict((conflict) => conflict.column("feed").doUpdateSet({ feed }))
    .returning(["epoch", "number", "digest"])
    .executeTakeFirstOrThrow();
  return stateOf(row);
}

const first = (feed: string, epoch: number) => ({
  epoch,
  number: 0,
  digest: toBase64Url(firstFeedDigest(feed, epoch)),
});

const stateOf = ({ digest, ...at }: FeedPosition & { readonly digest: string }): FeedState => ({
  ...at,
  digest: fromBase64Url(digest) as Uint8Array,
});

async function writeDeltas(
  work: Work,
  feed: string,
  from: FeedState,
  changes: readonly FeedChange[],
  at: number,
): Promise<void> {
  const { epoch } = from;
  let { number, digest } = from;
  for (let start = 0; start < changes.length; start += mostFeedChanges) {
    const part = changes.slice(start, start + mostFeedChanges);
    const before = toBase64Url(digest);
    number += 1;
    digest = nextFeedDigest(digest, part);
    await work
      .insertInto("feed_deltas")
      .values({ feed, epoch, number, before, changes: jsonOf(part), at })
      .execute();
  }
  await writeState(work, feed, { epoch, number, digest });
}

async function writeState(work: Work, feed: string, { digest, ...at }: FeedState): Promise<void> {
  await work
    .updateTable("feeds")
    .set({ ...at, digest: toBase64Url(digest) })
    .where("feed", "=", feed)
    .execute();
}

async function writeEntries(work: Work, feed: string, changes: readonly FeedChange[]): Promise<void> {
  // Of several changes of one entry the last one stands.
  const last = [...new Map(changes.map((change) => [`${change[0]} ${change[1]}`, change])).values()];
  for (let from = 0; from < last.length; from += mostInOneWrite) {
    const part = last.slice(from, from + mostInOneWrite);
    const rows = part.flatMap(([kind, id, value]) =>
      value === null ? [] : [{ feed, kind, id, value: jsonOf(value) }],
    );
    if (rows.length > 0)
      await work
        .insertInto("feed_entries")
        .values(rows)
        .onConflict((conflict) =>
          conflict
            .columns(["feed", "kind", "id"])
            .doUpdateSet((row) => ({ value: row.ref("excluded.value") })),
        )
        .execute();
    const gone = part.flatMap(([kind, id, value]) => (value === null ? [{ kind, id }] : []));
    for (const kind of new Set(gone.map(({ kind }) => kind)))
      await work
        .deleteFrom("feed_entries")
        .where("feed", "=", feed)
        .where("kind", "=", kind)
        .where(
          "id",
          "in",
          gone.flatMap((entry) => (entry.kind === kind ? [entry.id] : [])),
        )
        .execute();
  }
}

const jsonOf = (value: JsonObject | readonly FeedChange[]): string => canonicalJson(value as JsonValue);
