import { utf8 } from "@authmesh/core";
import type { FeedPosition } from "@authmesh/oath/feed";
import type { FeedKey } from "../feed/feed-key.js";
import type { FeedState, FeedStore, StoredDelta, StoredSnapshot } from "../feed/feed-store.js";
import { type StateChange, stateEvent } from "../state-event.js";
import type { ChangeListener } from "./change-listener.js";
import { attempt } from "./database-failure.js";
import { readFeedKeys, writeFeedKey } from "./feed-key-rows.js";
import { beginEpoch, createFeed, dropDeltas, readDeltas, readEntries, readStates } from "./feed-rows.js";
import { writeStateEvents } from "./state-event-rows.js";
import type { Database, Work } from "./tables.js";

const deltasKept = 10_000;
const secondsKept = 86_400;

/** Feeds in SQLite or PostgreSQL. */
export class SqlFeedStore implements FeedStore {
  readonly #database: Database;
  readonly #changes: ChangeListener;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(database: Database, changes: ChangeListener, now: () => number = Date.now) {
    this.#database = database;
    this.#changes = changes;
    this.#now = now;
  }

  states(feeds?: readonly string[]): Promise<ReadonlyMap<string, FeedState>> {
    return attempt(() => readStates(this.#database, feeds));
  }

  create(feed: string): Promise<void> {
    return attempt(() => createFeed(this.#database, feed));
  }

  deltasAfter(feed: string, position: FeedPosition, limit: number): Promise<readonly StoredDelta[]> {
    return attempt(() => readDeltas(this.#database, feed, position, limit));
  }

  snapshot(feed: string): Promise<StoredSnapshot | undefined> {
    return attempt(() =>
      // What is read page by page is as of one moment.
      this.#database
        .transaction()
        .setIsolationLevel("repeatable read")
        .execute(async (work) => {
          const state = (await readStates(work, [feed])).get(feed);
          if (state === undefined) return undefined;
          const lines: Uint8Array[] = [];
          let entries = 0;
          for await (const page of readEntries(work, feed)) {
            const text = page.map(
              ({ kind, id, value }) => `[${JSON.stringify(kind)},${JSON.stringify(id)},${value}]\n`,
            );
            lines.push(utf8(text.join("")));
            entries += page.length;
          }
          return { ...state, lines, entries };
        }),
    );
  }

  beginEpoch(feed: string, above: number, reason: string): Promise<boolean> {
    return attempt(() =>
      this.#database.transaction().execute(async (work) => {
        const before = await beginEpoch(work, feed, above, this.#seconds());
        if (before === undefined) return false;
        const { epoch, number } = before;
        await raise(work);
        await this.#tell(work, {
          type: "dev.authmesh.feed.epoch",
          data: { feed, epoch: above + 1, reason, before: { epoch, number } },
        });
        return true;
      }),
    );
  }

  dropDeltas(): Promise<void> {
    return attempt(() => dropDeltas(this.#database, this.#seconds() - secondsKept, deltasKept));
  }

  readKeys(): Promise<readonly FeedKey[]> {
    return attempt(() => readFeedKeys(this.#database));
  }

  changeKeys(
    change: (keys: readonly FeedKey[]) => Promise<FeedKey | undefined>,
  ): Promise<readonly FeedKey[]> {
    return attempt(() =>
      this.#database.transaction().execute(async (work) => {
        await raise(work);
        const keys = await readFeedKeys(work);
        const next = await change(keys);
        if (next === undefined) return keys;
        await writeFeedKey(work, keys.length + 1, next);
        const { kid, alg } = next.publicJwk;
        if (keys.length > 0)
          await this.#tell(work, { type: "dev.authmesh.key.rotated", data: { kid, alg, of: "feed" } });
        return [...keys, next];
      }),
    );
  }

  async issuer(): Promise<string | undefined> {
    const row = await attempt(() =>
      this.#database.selectFrom("settings").select("value").where("name", "=", "issuer").executeTakeFirst(),
    );
    return row?.value;
  }

  async rememberIssuer(value: string): Promise<void> {
    await attempt(() =>
      this.#database
        .insertInto("settings")
        .values({ name: "issuer", value })
        .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
        .execute(),
    );
  }

  listen(listener: () => void): void {
    this.#changes.listen(listener);
  }

  close(): Promise<void> {
    return this.#changes.close();
  }

  #tell(work: Work, change: StateChange): Promise<void> {
    return writeStateEvents(work, [stateEvent(change, this.#now() / 1000)]);
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }
}

/** Has replicas tell their audit, and read the key again. */
async function raise(work: Work): Promise<void> {
  await work
    .updateTable("generations")
    .set((row) => ({ value: row("value", "+", 1) }))
    .where("area", "=", "feeds")
    .execute();
}
