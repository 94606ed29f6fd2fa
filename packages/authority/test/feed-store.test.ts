import { type FeedChange, firstFeedDigest, nextFeedDigest } from "@authmesh/oath/feed";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ChangeListener } from "../src/database/change-listener.js";
import { dropDeltas, publishChanges } from "../src/database/feed-rows.js";
import { openDatabase } from "../src/database/open-database.js";
import { SqlFeedStore } from "../src/database/sql-feed-store.js";
import { type Backend, backends } from "./stores.js";

const now = 1_800_000_000;

async function openFeeds(backend: Backend) {
  const place = await backend.place();
  const changes = new ChangeListener(place);
  const database = await openDatabase(place, changes.committed);
  const store = new SqlFeedStore(database, changes, () => now * 1000);
  onTestFinished(async () => {
    await store.close();
    await database.destroy();
  });
  const publish = (feed: string, changes: readonly FeedChange[], at = now) =>
    database.transaction().execute((work) => publishChanges(work, feed, changes, at));
  const linesOf = async (feed: string) => {
    const { lines = [] } = (await store.snapshot(feed)) ?? {};
    return Buffer.concat(lines).toString().split("\n").slice(0, -1);
  };
  return { database, store, publish, linesOf };
}

const change = fc.tuple(
  fc.constantFrom("device", "ended", "revoked", "token"),
  fc.constantFrom("a", "B", "_b", "-c", "sub:~"),
  fc.option(fc.record({ at: fc.nat() }), { nil: null }),
) as fc.Arbitrary<FeedChange>;

describe.each(backends())("trust feeds in $name", (backend) => {
  it("are told by a snapshot as by the deltas before it, from every point on", async () => {
    const { store, publish, linesOf } = await openFeeds(backend);
    let drawn = 0;
    const deltas = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(deltas, async (written) => {
        const feed = `@feed-${drawn++}`;
        await store.create(feed);
        const states = [(await store.states([feed])).get(feed)];
        const stateAfter: string[][] = [[]];
        for (const changes of written) {
          await publish(feed, changes);
          states.push((await store.states([feed])).get(feed));
          stateAfter.push(await linesOf(feed));
        }
        const whole = await store.snapshot(feed);
        for (const [from, state] of states.entries()) {
          const copy = new Map(stateAfter[from]?.map((line) => [keyOf(JSON.parse(line)), line]));
          let digest = state?.digest ?? new Uint8Array();
          const later = await store.deltasAfter(feed, { epoch: 1, number: from }, 100);
          expect(later.map(({ number }) => number)).toEqual(written.map((_, i) => i + 1).slice(from));
          for (const { before, changes } of later) {
            expect(before).toEqual(digest);
            digest = nextFeedDigest(before, changes);
            for (const each of changes)
              if (each[2] === null) copy.delete(keyOf(each));
              else copy.set(keyOf(each), JSON.stringify(each));
          }
          expect(digest).toEqual(whole?.digest);
          const inOrder = [...copy].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, line]) => line);
          expect(inOrder).toEqual(stateAfter.at(-1));
        }
        expect(whole?.entries).toBe(stateAfter.at(-1)?.length);
      }),
      { numRuns: 15 },
    );
  });

  it("have deltas of a thousand changes at most, and snapshots as long as they are, in the order of code units", async () => {
    const { store, publish, linesOf } = await openFeeds(backend);
    const many = Array.from({ length: 6_500 }, (_, i): FeedChange => ["device", idOf(i), { i }]);
    await publish("@acme", many);
    expect((await store.states()).get("@acme")).toMatchObject({ epoch: 1, number: 7 });
    const ids = (await linesOf("@acme")).map((line) => JSON.parse(line)[1]);
    expect(ids).toEqual(many.map(([, id]) => id).sort());
  });

  it("begin an epoch once, whoever asks for it, with deltas that hold all there is", async () => {
    const { store, publish, linesOf } = await openFeeds(backend);
    await publish("@acme", [["device", "am_one", { n: 1 }]]);
    await publish("@acme", [["device", "am_two", { n: 2 }]]);
    const before = await linesOf("@acme");
    const begun = await Promise.all([1, 2, 3].map(() => store.beginEpoch("@acme", 4, "a test")));
    expect(begun.filter(Boolean)).toHaveLength(1);
    const state = (await store.states()).get("@acme");
    const first = firstFeedDigest("@acme", 5);
    const [delta, ...more] = await store.deltasAfter("@acme", { epoch: 5, number: 0 }, 10);
    expect(more).toEqual([]);
    expect(delta).toMatchObject({ number: 1, before: first });
    expect(delta?.changes.map((each) => JSON.stringify(each))).toEqual(before);
    expect(state).toEqual({ epoch: 5, number: 1, digest: nextFeedDigest(first, delta?.changes ?? []) });
    expect(await linesOf("@acme")).toEqual(before);
  });

  it("tell whoever listens of each change that was committed, without being asked", async () => {
    const { store, publish } = await openFeeds(backend);
    let heard = 0;
    store.listen(() => heard++);
    // A connection of its own tells once that it is there.
    await vi.waitUntil(() => heard === 1 || backend.name === "SQLite", 5000);
    const before = heard;
    await publish("@acme", [["device", "am_one", { n: 1 }]]);
    await vi.waitUntil(() => heard > before, 5000);
  });

  it("forget deltas of yesterday that are not among the last, and those of an earlier epoch", async () => {
    const { database, store, publish } = await openFeeds(backend);
    for (let n = 0; n < 5; n++) await publish("@acme", [["device", `am_${n}`, { n }]], now + n);
    const numbers = async (epoch: number) =>
      (await store.deltasAfter("@acme", { epoch, number: 0 }, 10)).map(({ number }) => number);
    await dropDeltas(database, now + 4, 3);
    expect(await numbers(1)).toEqual([3, 4, 5]);
    await store.beginEpoch("@acme", 1, "a test");
    await dropDeltas(database, now + 10, 3);
    expect([await numbers(1), await numbers(2)]).toEqual([[], [1]]);
  });
});

const keyOf = ([kind, id]: FeedChange): string => `${kind}\u0000${id}`;
const idOf = (n: number): string => `${"aZ_-"[n % 4]}${(n * 7919) % 9973}`;
