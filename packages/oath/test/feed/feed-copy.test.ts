import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type FeedChange,
  FeedCopy,
  type FeedDelta,
  type FeedHead,
  FeedState,
  feedTokenId,
} from "../../src/feed/index.js";
import { FeedAuthority } from "../fixtures/feed-authority.js";
import { feedDevice } from "../fixtures/feed-devices.js";
import { ManualClock } from "../fixtures/http-server.js";

const forked = expect.objectContaining({ code: "feed_forked" });
const malformed = expect.objectContaining({ code: "feed_malformed" });

/** A copy that stands where its authority does: at number 0. */
function scene() {
  const clock = new ManualClock();
  const authority = new FeedAuthority("@acme", clock.now);
  const { iss, feed } = authority;
  const copy = new FeedCopy({ iss, feed });
  const { body, entries } = { body: new Uint8Array(32), entries: 0 };
  const snapshot = () =>
    ({ ...authority.stated, kind: "snapshot", digest: authority.digest, body, entries }) as const;
  copy.replace(snapshot(), new FeedState());
  const head = (change: Partial<FeedHead> = {}): FeedHead => ({
    ...authority.stated,
    kind: "head",
    digest: authority.digest,
    ...change,
  });
  /** The authority's next delta, which the copy may or may not be given. */
  const delta = async (...changes: FeedChange[]): Promise<FeedDelta> => {
    const before = authority.digest;
    await authority.change(...changes);
    return { ...authority.stated, kind: "delta", before, changes };
  };
  return { clock, authority, copy, snapshot, head, delta };
}

const [a, b] = [feedDevice("shop/a"), feedDevice("shop/b")];

describe("a copy of a feed", () => {
  it("follows delta by delta, and knows who is in it and who was revoked", async () => {
    const { clock, copy, delta } = scene();
    expect(copy.take(await delta(a.added, b.added), clock)).toBe("applied");
    expect(copy.state.find(a.key)).toMatchObject({ deviceId: a.id, friendlyName: "shop/a", bound: true });
    expect(copy.state.findBySubject("svc://acme/shop/b")?.deviceId).toBe(b.id);
    expect(copy.take(await delta(b.revoked), clock)).toBe("applied");
    expect(copy.state.isRevoked(b.id)).toBe(true);
    expect(copy.state.findById(b.id)).toBeUndefined();
    expect(copy.take(await delta(b.unrevoked, a.removed), clock)).toBe("applied");
    expect(copy.state.findById(b.id)?.publicKey.base64).toBe(b.key);
    expect(copy.state.find(a.key)).toBeUndefined();
    expect(copy.mark).toMatchObject({ epoch: 1, number: 3 });
  });

  it("knows which devices it had once, until they are in it again", async () => {
    const { clock, copy, delta } = scene();
    copy.take(await delta(a.added, b.added), clock);
    copy.take(await delta(a.removed, a.ended), clock);
    expect([a.id, b.id].map((id) => copy.state.hasEnded(id))).toEqual([true, false]);
    copy.take(await delta(a.added), clock);
    expect(copy.state.hasEnded(a.id)).toBe(false);
  });

  it("keeps a subject that a new key has, when the old key goes after it", async () => {
    const { clock, copy, delta } = scene();
    const next = feedDevice("shop/a");
    copy.take(await delta(a.added), clock);
    copy.take(await delta(next.added, a.removed), clock);
    expect(copy.state.findBySubject("svc://acme/shop/a")?.deviceId).toBe(next.id);
  });

  it("ignores what is older, and what it knows", async () => {
    const { clock, copy, delta } = scene();
    const [one, two] = [await delta(a.added), await delta(b.added)];
    copy.take(one, clock);
    copy.take(two, clock);
    expect(copy.take(one, clock)).toBe("older");
    expect(copy.take(two, clock)).toBe("heard");
    expect(copy.take({ ...two, epoch: 0 } as FeedDelta, clock)).toBe("older");
  });

  it("says that it is behind after a gap, in a new epoch, and before there is any state", async () => {
    const { clock, authority, copy, head, delta } = scene();
    await delta(a.added);
    const second = await delta(b.added);
    expect(copy.take(second, clock)).toBe("behind");
    expect(copy.take(head(), clock)).toBe("behind");
    await authority.restore(a.added);
    expect(copy.take(head(), clock)).toBe("behind");
    expect(new FeedCopy(copy.name).take(head(), clock)).toBe("behind");
    expect(copy.state.size).toBe(0);
  });

  it("applies no delta that follows from another state", async () => {
    const { clock, copy, delta } = scene();
    const other = { ...(await delta(a.added)), before: new Uint8Array(32) };
    expect(copy.take(other, clock)).toBe("unfit");
    expect(copy.state.size).toBe(0);
  });

  it.each([
    ["a head", async ({ head }: ReturnType<typeof scene>) => head({ digest: new Uint8Array(32) })],
    ["a delta", ({ delta }: ReturnType<typeof scene>) => delta(a.added)],
  ])("believes nothing more of an epoch after %s that tells another story", async (_, lie) => {
    const here = scene();
    const { clock, copy, authority, delta, head } = here;
    const told = await delta(b.added);
    copy.take(told, clock);
    const other = scene();
    const lied = { ...(await lie(other)), epoch: 1, number: 1 };
    expect(() => copy.take(lied, clock)).toThrow(forked);
    expect(copy.state.findById(b.id)).toBeDefined();
    expect(() => copy.take(head(), clock)).toThrow(forked);
    expect(copy.forked).toBe(true);
    await authority.restore(a.added);
    expect(copy.take(head(), clock)).toBe("behind");
    expect(copy.replace(here.snapshot(), new FeedState())).toBe(true);
    expect(copy.take(head(), clock)).toBe("heard");
  });

  it("refuses what is of another feed, or of another authority", () => {
    const { clock, copy, head } = scene();
    expect(() => copy.take(head({ feed: "@other" }), clock)).toThrow(malformed);
    expect(() => copy.take(head({ iss: "https://other.example" }), clock)).toThrow(malformed);
  });

  it("takes a snapshot in its place, unless that is older or tells another story", async () => {
    const { copy, clock, delta, snapshot } = scene();
    const old = snapshot();
    copy.take(await delta(a.added), clock);
    expect(copy.replace(old, new FeedState())).toBe(false);
    expect(copy.state.size).toBe(1);
    expect(() => copy.replace({ ...snapshot(), digest: new Uint8Array(32) }, new FeedState())).toThrow(
      forked,
    );
  });

  it("applies a delta whole or not at all", async () => {
    const { clock, copy, delta } = scene();
    const bad: FeedChange = ["device", b.id, { ...a.added[2] }];
    const told = await delta(a.added, bad);
    expect(() => copy.take(told, clock)).toThrow(malformed);
    expect(copy.state.size).toBe(0);
    expect(copy.mark?.number).toBe(0);
  });

  it("ignores kinds that it does not know", async () => {
    const { clock, copy, delta } = scene();
    expect(copy.take(await delta(["weather", "x", { sunny: true }], a.added), clock)).toBe("applied");
    expect([...copy.state.entries()]).toEqual([a.added]);
  });

  it("whatever the changes are, applies them or says that they are malformed", () => {
    const value = fc.oneof(fc.constant(null), fc.dictionary(fc.string(), fc.jsonValue()));
    const kind = fc.oneof(fc.constantFrom("device", "ended", "revoked", "token"), fc.string());
    const id = fc.oneof(fc.constantFrom(a.id, feedTokenId({ by: "sub", value: "x" }), "sub:x"), fc.string());
    fc.assert(
      fc.property(fc.array(fc.tuple(kind, id, value), { maxLength: 5 }), (changes) => {
        const { clock, authority, copy } = scene();
        const delta = {
          ...authority.stated,
          number: 1,
          kind: "delta",
          before: authority.digest,
          changes,
        } as const;
        try {
          expect(copy.take(delta as unknown as FeedDelta, clock)).toBe("applied");
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
          expect(error).toMatchObject({ code: "feed_malformed" });
        }
      }),
    );
  });
});

describe("the age of a copy", () => {
  it("is endless before a head came, and not made less by deltas and snapshots", async () => {
    const { clock, copy, head, delta } = scene();
    expect(copy.ageMs(clock)).toBe(Number.POSITIVE_INFINITY);
    copy.take(head(), clock);
    expect(copy.ageMs(clock)).toBe(0);
    clock.sleep(100);
    copy.take(await delta(a.added), clock);
    expect(copy.ageMs(clock)).toBe(100_000);
  });

  it("counts from when a head was signed, and a head that comes again makes nothing younger", () => {
    const { clock, copy, head } = scene();
    const old = head();
    clock.sleep(60);
    copy.take(old, clock);
    expect(copy.ageMs(clock)).toBe(60_000);
    clock.sleep(60);
    copy.take(old, clock);
    expect(copy.ageMs(clock)).toBe(120_000);
  });

  it("goes by whichever clock says more", () => {
    const { clock, copy, head } = scene();
    copy.take(head(), clock);
    const { now, monotonic } = clock;
    const [setBack, setAhead] = [-7200, 7200].map((s) => ({ monotonic, now: () => now() + s * 1000 }));
    clock.sleep(30);
    expect(copy.ageMs(setBack as typeof clock)).toBe(30_000);
    expect(copy.ageMs(setAhead as typeof clock)).toBe(7_230_000);
  });

  it("refuses a head of more than 300 s in the future", () => {
    const { clock, copy, head, authority } = scene();
    const { iat } = authority.stated;
    expect(() => copy.take(head({ iat: iat + 301 }), clock)).toThrow(malformed);
    expect(copy.take(head({ iat: iat + 300 }), clock)).toBe("heard");
    clock.sleep(10);
    expect(copy.ageMs(clock)).toBe(10_000);
  });

  it("goes on after a restart, and is endless where the head that was kept is of the future", () => {
    const { clock, copy, authority } = scene();
    const { iat } = authority.stated;
    const restored = new FeedCopy(copy.name);
    const mark = { epoch: 1, number: 0, digest: authority.digest };
    restored.restore(new FeedState(), mark, iat - 500, clock);
    expect(restored.ageMs(clock)).toBe(500_000);
    restored.restore(new FeedState(), mark, iat + 500, clock);
    expect(restored.ageMs(clock)).toBe(Number.POSITIVE_INFINITY);
  });
});
