import { describe, expect, it } from "vitest";
import { KeySealing } from "../src/keys/key-sealing.js";
import { newSigningKey, openSigningKey, tokenAlgorithms } from "../src/keys/new-signing-key.js";
import { maintained, publishedAfter, publishedAhead, rotated } from "../src/keys/rotation.js";
import type { SigningKey } from "../src/keys/signing-key.js";

const sealing = new KeySealing(Buffer.alloc(32, 7));
const day = 86_400;

describe("a sealed signing key", () => {
  it.each(tokenAlgorithms)("opens to the same key of %s, and shows nothing of it", (algorithm) => {
    const key = newSigningKey(algorithm, sealing, 0);
    const again = newSigningKey(algorithm, sealing, 0);
    expect(openSigningKey(key, sealing).publicJwk).toEqual(key.publicJwk);
    expect(key.publicJwk.kid).toBe(key.kid);
    expect(again.sealed).not.toBe(key.sealed);
    expect(JSON.stringify(key.publicJwk)).not.toContain('"d"');
  });

  it("opens with no other secret, under no other name, and with no bit changed", () => {
    const key = newSigningKey("EdDSA", sealing, 0);
    const sealed = key.sealed ?? "";
    const flipped = Buffer.from(sealed, "base64url");
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    for (const attempt of [
      () => openSigningKey(key, new KeySealing(Buffer.alloc(32, 8))),
      () => openSigningKey({ ...key, kid: newSigningKey("EdDSA", sealing, 0).kid }, sealing),
      () => openSigningKey({ ...key, sealed: flipped.toString("base64url") }, sealing),
      () => openSigningKey({ ...key, sealed: sealed.slice(0, 20) }, sealing),
      () => openSigningKey({ ...key, sealed: "" }, sealing),
      () => openSigningKey({ ...key, sealed: "!" }, sealing),
    ])
      expect(attempt).toThrow(expect.objectContaining({ code: "key_mismatch" }));
  });
});

describe("the life of signing keys", () => {
  let drawn = 0;
  const plan = (now: number) => ({
    now,
    rotateAfter: 30 * day,
    newKey: (): SigningKey => ({ ...newSigningKey("EdDSA", sealing, now), kid: `k${drawn++}` }),
  });
  const states = (keys: readonly SigningKey[] = []) => keys.map(({ state }) => state).join(" ");

  it("begins with one that signs and one that is about to", () => {
    const keys = maintained([], plan(0)) ?? [];
    expect(states(keys)).toBe("active next");
    expect(maintained(keys, plan(1))).toBeUndefined();
  });

  it("goes on when the active key is old, and the next one was published long enough", () => {
    const keys = maintained([], plan(0)) ?? [];
    expect(maintained(keys, plan(30 * day - 1))).toBeUndefined();
    const after = maintained(keys, plan(30 * day)) ?? [];
    expect(states(after)).toBe("retiring active next");
    expect(after[0]).toMatchObject({ kid: keys[0]?.kid, sealed: undefined });
    expect(after[1]?.kid).toBe(keys[1]?.kid);
    const young = keys.map((key) =>
      key.state === "next" ? { ...key, since: 30 * day - publishedAhead + 1 } : key,
    );
    expect(maintained(young, plan(30 * day))).toBeUndefined();
  });

  it("publishes an old key until its last token has expired in every cache, and not longer", () => {
    const keys = rotated(maintained([], plan(0)) ?? [], plan(100));
    expect(maintained(keys, plan(100 + publishedAfter - 1))).toBeUndefined();
    expect(states(maintained(keys, plan(100 + publishedAfter)))).toBe("gone active next");
    expect(publishedAfter).toBeGreaterThanOrEqual(300 + 30 + 300);
  });

  it("makes a next key where there is none", () => {
    const [active] = maintained([], plan(0)) ?? [];
    expect(states(maintained([active as SigningKey], plan(1)))).toBe("active next");
  });
});
