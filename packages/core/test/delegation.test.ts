import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDelegation, readDelegation, SessionKey } from "../src/index.js";
import { DelegationCache } from "../src/verify/delegation-cache.js";
import { anyText } from "./any-text.js";
import { changed, delegate, resign } from "./delegation-fixture.js";
import { laptop, noon, stranger } from "./verification-fixture.js";

const codeOf = (text: string) => {
  const read = readDelegation(text);
  return "code" in read ? read.code : "read";
};

describe("a delegation", () => {
  it("says who delegates to which key, where and for how long", async () => {
    const session = SessionKey.generate();
    const audience = ["api.example.com", "localhost:3000"];
    const read = readDelegation(await delegate({ session, audience }));
    if ("code" in read) throw new Error(read.detail);
    expect(read).toMatchObject({
      deviceId: laptop.publicKey.deviceId,
      audience,
      issuedAt: noon,
      expiresAt: noon + 300,
    });
    expect(read.sessionKey.base64).toBe(session.publicKey.base64);
    expect(read.isSignedBy(laptop.publicKey)).toBe(true);
    expect(read.isSignedBy(stranger.publicKey)).toBe(false);
  });

  it("without an audience is good everywhere", async () => {
    expect(readDelegation(await delegate())).toMatchObject({ audience: undefined });
  });

  it("fits its header with the longest names of hosts that are usual, and is never made longer", async () => {
    const audience = (length: number) =>
      Array.from({ length }, (_, i) => `${String(i).padStart(2, "0")}.${"a".repeat(60)}.example`);
    expect((await delegate({ audience: audience(10) })).length).toBeLessThanOrEqual(2048);
    await expect(delegate({ audience: audience(16) })).rejects.toThrow(TypeError);
  });

  it.each([
    ["a lifetime of 0", { lifetimeSeconds: 0 }],
    ["a lifetime of 301", { lifetimeSeconds: 301 }],
    ["a lifetime of half seconds", { lifetimeSeconds: 1.5 }],
    ["an audience of none", { audience: [] }],
    ["a host in upper case", { audience: ["API.example.com"] }],
    ["more hosts than 16", { audience: Array.from({ length: 17 }, (_, i) => `a${i}`) }],
  ])("with %s is a mistake of the programmer", async (_, options) => {
    const session = SessionKey.generate();
    await expect(createDelegation({ device: laptop, session, ...options })).rejects.toThrow(TypeError);
  });

  it.each<[string, (payload: Record<string, never>) => Record<string, never>]>([
    ["kid and sub differ", (p) => ({ ...p, sub: stranger.publicKey.deviceId as never })],
    ["kid and iss differ", (p) => ({ ...p, iss: stranger.publicKey.deviceId as never })],
    ["there is a member nobody knows", (p) => ({ ...p, scope: "orders:r" as never })],
    ["exp is missing", ({ exp, ...p }) => p as never],
    ["exp is text", (p) => ({ ...p, exp: "1" as never })],
    ["exp is a fraction", (p) => ({ ...p, exp: (Number(p["exp"]) - 0.5) as never })],
    ["exp is iat", (p) => ({ ...p, exp: p["iat"] as never })],
    ["iat is negative", (p) => ({ ...p, iat: -1 as never, exp: 1 as never })],
    ["jti holds a newline", (p) => ({ ...p, jti: `${"a".repeat(20)}\n1` as never })],
    ["jti is short", (p) => ({ ...p, jti: "a" as never })],
    ["aud is one text", (p) => ({ ...p, aud: "api.example.com" as never })],
    ["aud is empty", (p) => ({ ...p, aud: [] as never })],
    ["aud is null", (p) => ({ ...p, aud: null as never })],
    ["aud holds what is no host", (p) => ({ ...p, aud: ["https://a/"] as never })],
    ["pop is short", (p) => ({ ...p, pop: "AAAA" as never })],
    ["cnf holds a thumbprint", (p) => ({ ...p, cnf: { jkt: "x" } as never })],
    ["cnf holds a private key", (p) => ({ ...p, cnf: { jwk: { ...jwkOf(p), d: "x" } } as never })],
    ["the key is of another curve", (p) => ({ ...p, cnf: { jwk: { ...jwkOf(p), crv: "P-384" } } as never })],
    [
      "the key is not on the curve",
      (p) => ({ ...p, cnf: { jwk: { ...jwkOf(p), y: jwkOf(p)["x"] } } as never }),
    ],
  ])("cannot be read when %s", async (_, payload) => {
    const text = await changed(await delegate(), { payload: payload as never });
    expect(codeOf(text)).toBe("delegation_invalid");
  });

  it("of any text is read or refused, never a throw", async () => {
    const good = await delegate();
    const [header = "", payload = ""] = good
      .split(".")
      .map((part) => Buffer.from(part, "base64url").toString());
    const names = Object.keys(JSON.parse(payload));
    const text = fc.oneof(
      anyText(200),
      fc
        .tuple(fc.nat(good.length), anyText(3))
        .map(([at, more]) => good.slice(0, at) + more + good.slice(at + 1)),
    );
    fc.assert(
      fc.property(text, (any) => void codeOf(any)),
      { numRuns: 1000 },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.jsonValue(), async (name, value) => {
        const claims = JSON.stringify({ ...JSON.parse(payload), [name]: value });
        expect(["read", "delegation_invalid"]).toContain(codeOf(await resign(header, claims)));
      }),
      { numRuns: 200 },
    );
  });
});

const jwkOf = (payload: Record<string, never>): Record<string, never> => payload["cnf"]?.["jwk"] as never;

describe("the cache of checked delegations", () => {
  it("takes what was checked, what is not right never", async () => {
    const cache = new DelegationCache(() => noon * 1000);
    const text = await delegate();
    const presented = cache.read(text);
    if ("code" in presented) throw new Error(presented.detail);
    expect(cache.size).toBe(0);
    expect(cache.isSignedBy(presented, stranger.publicKey)).toBe(false);
    expect(cache.size).toBe(0);
    expect(cache.isSignedBy(presented, laptop.publicKey)).toBe(true);
    expect(cache.read(text)).toBe(presented);
    expect(cache.isSignedBy(presented, stranger.publicKey)).toBe(false);
  });

  it("holds no more than it may, and gives up the oldest first", async () => {
    const cache = new DelegationCache(() => noon * 1000, 3);
    const texts = await Promise.all(Array.from({ length: 5 }, () => delegate()));
    const kept = texts.map((text) => {
      const presented = cache.read(text);
      if (!("code" in presented)) cache.isSignedBy(presented, laptop.publicKey);
      return presented;
    });
    expect(cache.size).toBe(3);
    expect(texts.map((text, i) => cache.read(text) === kept[i])).toEqual([false, false, true, true, true]);
  });

  it("gives up what has expired as soon as another comes", async () => {
    let now = noon;
    const cache = new DelegationCache(() => now * 1000);
    for (const delegatedAt of [noon, noon + 1, noon + 300]) {
      now = delegatedAt;
      const presented = cache.read(await delegate({ delegatedAt }));
      if (!("code" in presented)) cache.isSignedBy(presented, laptop.publicKey);
    }
    expect(cache.size).toBe(2);
  });
});
