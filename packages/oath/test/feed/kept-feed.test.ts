import { AmeshError, utf8 } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type FeedChange,
  FeedState,
  feedRevocations,
  feedTokenId,
  type KeptFeed,
  keptFeedText,
  readKeptFeed,
  readKeptHeader,
} from "../../src/feed/index.js";
import { feedDevice } from "../fixtures/feed-devices.js";
import { manyDevices } from "../fixtures/many-devices.js";

const name = { iss: "https://auth.example", feed: "@acme" };
const key = "k".repeat(43);
const mark = { epoch: 3, number: 7, digest: new Uint8Array(32).fill(9) };

const stateOf = (...changes: FeedChange[]): FeedState => {
  const state = new FeedState();
  state.apply(changes);
  return state;
};
const textOf = (kept: KeptFeed): string => [...keptFeedText(name, kept)].join("");

describe("a kept copy", () => {
  it("is read as it was written", async () => {
    const [a, b] = [feedDevice("shop/a", { expiresAt: 2_000_000_000 }), feedDevice("shop/b")];
    const state = stateOf(a.added, b.added, feedDevice().ended, b.revoked, [
      "token",
      feedTokenId({ by: "sub", value: "svc://x" }),
      { at: 5, expiresAt: 6 },
    ]);
    const bytes = utf8(textOf({ state, mark, headAt: 1_800_000_000, key }));
    const read = await readKeptFeed(name, bytes);
    expect(read).toMatchObject({ mark, headAt: 1_800_000_000, key });
    expect([...read.state.entries()]).toEqual([...state.entries()]);
    expect(readKeptHeader(bytes)).toMatchObject({ ...name, epoch: 3, number: 7 });
  });

  it("is of the moment at which it began to be written", async () => {
    const [a, b] = [feedDevice("shop/a"), feedDevice("shop/b")];
    const state = stateOf(...manyDevices(3000), a.added);
    const parts = keptFeedText(name, { state, mark, headAt: undefined, key });
    const first = parts.next().value;
    state.apply([a.removed, b.added]);
    const read = await readKeptFeed(name, utf8([first, ...parts].join("")));
    expect(read.state.find(a.key)).toBeDefined();
    expect(read.state.find(b.key)).toBeUndefined();
  });

  it("is not that of another feed", async () => {
    const bytes = utf8(textOf({ state: new FeedState(), mark, headAt: undefined, key }));
    const damaged = expect.objectContaining({ code: "feed_copy_damaged" });
    await expect(readKeptFeed({ ...name, feed: "@other" }, bytes)).rejects.toEqual(damaged);
    await expect(readKeptFeed({ ...name, iss: "https://other.example" }, bytes)).rejects.toEqual(damaged);
  });

  it("whatever its bytes are, is read or refused by a code", async () => {
    const text = textOf({ state: stateOf(feedDevice().added), mark, headAt: 1, key });
    const cut = fc.nat(text.length).map((at) => text.slice(0, at) + text.slice(at + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(cut, fc.string()), async (each) => {
        const read = await readKeptFeed(name, utf8(each.toWellFormed())).catch((error: unknown) => error);
        if (read instanceof Error) expect(read).toBeInstanceOf(AmeshError);
      }),
    );
  });
});

describe("revocations by feeds", () => {
  const token = (sub: string) => ({ iss: name.iss, sub, jti: "j", kid: "k", tenant: "@acme" });
  const feed = (state: FeedState, failed?: ReturnType<typeof Object>) => ({ state, check: () => failed });
  const source = (tokens: FeedState, account?: FeedState) =>
    feedRevocations({
      issuer: name.iss,
      tokens: feed(tokens),
      account: account && { name: "@acme", feed: feed(account) },
      now: () => 1_800_000_000_000,
    });

  it.each([
    ["sub", "svc://acme/shop/a", true],
    ["jti", "j", true],
    ["kid", "k", true],
    ["tenant", "@acme", true],
    ["sub", "svc://acme/shop", false],
    ["jti", "svc://acme/shop/a", false],
  ] as const)("find a token by %s %s: %s", (by, value, found) => {
    const state = stateOf(["token", feedTokenId({ by, value }), { at: 5 }]);
    expect(source(state).find(token("svc://acme/shop/a")) !== undefined).toBe(found);
  });

  it("end when they expire, and are of one issuer", () => {
    const ends = (expiresAt: number) =>
      source(stateOf(["token", feedTokenId({ by: "jti", value: "j" }), { at: 5, expiresAt }]));
    expect(ends(1_800_000_000).find(token("x"))).toBeUndefined();
    expect(ends(1_800_000_001).find(token("x"))).toMatchObject({ by: "jti", value: "j" });
    expect(ends(1_800_000_001).find({ ...token("x"), iss: "https://other.example" })).toBeUndefined();
  });

  it.each([[`${name.iss}/`], ["HTTPS://auth.example"], ["auth.example"]])(
    "are of an authority, by the one name that its tokens have for it: not of %s",
    (issuer) => {
      expect(() => feedRevocations({ issuer, tokens: feed(new FeedState()) })).toThrow(TypeError);
    },
  );

  it("end a device's tokens with the device, and touch nobody else's", () => {
    const device = feedDevice("shop/a");
    const asked = (...changes: FeedChange[]) => {
      const found = source(new FeedState(), stateOf(...changes)).find(token("svc://acme/shop/a"));
      return found !== undefined;
    };
    expect(asked(device.added)).toBe(false);
    expect(asked(device.added, device.revoked)).toBe(true);
    expect(asked()).toBe(true);
    expect(asked(feedDevice("shop/a", { expiresAt: 1_800_000_000 }).added)).toBe(true);
    const others = source(new FeedState(), new FeedState());
    for (const sub of ["svc://acme", "svc://acme/shop", "svc://acme/a/b/c", "svc://acme2/shop/a"])
      expect(others.find(token(sub))).toBeUndefined();
  });

  it.each([["@other"], [undefined], ["acme"], [""]])(
    "with an account, refuse the tokens of another tenant of the issuer: %s",
    (tenant) => {
      const device = feedDevice("shop/a");
      const [of, all] = [source(new FeedState(), stateOf(device.added)), source(new FeedState())];
      const presented = { ...token("svc://acme/shop/a"), tenant };
      expect(() => of.find(presented)).toThrow(expect.objectContaining({ code: "issuer_untrusted" }));
      expect(all.find(presented)).toBeUndefined();
      expect(of.find({ ...presented, iss: "https://other.example" })).toBeUndefined();
    },
  );

  it("cannot be asked while a feed is too old", () => {
    const failed = { code: "trust_stale", status: 503 } as never;
    const asked = feedRevocations({ issuer: name.iss, tokens: feed(new FeedState(), failed) });
    expect(() => asked.find(token("x"))).toThrow(expect.objectContaining({ code: "trust_stale" }));
  });
});
