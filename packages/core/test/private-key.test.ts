import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { fromBase64Url, PrivateKey, signableProbe, toBase64Url, toHex, toLowS } from "../src/index.js";

describe("PrivateKey", () => {
  it("derives the public key of RFC 6979, A.2.5", () => {
    const scalar = Buffer.from("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", "hex");
    expect(toHex(PrivateKey.fromBytes(scalar).publicKey.bytes)).toBe(
      "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    );
  });

  it("signs what its public key verifies, always low-S", () => {
    const key = PrivateKey.generate();
    for (let i = 0; i < 32; i++) {
      const signature = key.sign(signableProbe());
      expect(signature).toHaveLength(64);
      expect(key.publicKey.verify(signableProbe(), signature)).toBe(true);
      expect(toLowS(signature)).toBe(signature);
    }
  });

  it("survives export and import, and shares its bytes with nobody", () => {
    const key = PrivateKey.generate();
    const bytes = key.export();
    const again = PrivateKey.fromBytes(bytes);
    expect(again.publicKey.deviceId).toBe(key.publicKey.deviceId);
    bytes.fill(0);
    expect(again.export()).toEqual(key.export());
  });

  it("makes another key each time", () => {
    expect(PrivateKey.generate().publicKey.base64).not.toBe(PrivateKey.generate().publicKey.base64);
  });

  it("does not show itself when logged", () => {
    const key = PrivateKey.generate();
    const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key);
    expect(shown).not.toContain(toBase64Url(key.export()));
    expect(shown).not.toContain(inspect(key.export()).slice(16, 60));
  });

  it.each([
    ["too short", new Uint8Array(31)],
    ["too long", new Uint8Array(33).fill(1)],
    ["zero", new Uint8Array(32)],
    ["the order", fromBase64Url("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE") as Uint8Array],
  ])("refuses a scalar that is %s", (_, bytes) => {
    expect(() => PrivateKey.fromBytes(bytes)).toThrow(TypeError);
  });
});
