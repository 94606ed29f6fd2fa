import { p256 } from "@noble/curves/nist.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AmeshError,
  computeSharedSecret,
  deriveSessionKey,
  fromBase64,
  generateEphemeralKeyPair,
  toHex,
  utf8,
} from "../src/index.js";
import { ecdh, hkdf, pointOf } from "./pairing/by-the-book.js";

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

describe("generateEphemeralKeyPair", () => {
  it("makes a private key of 32 bytes and its compressed point", () => {
    const { privateKey, publicKey } = generateEphemeralKeyPair();
    expect(privateKey).toHaveLength(32);
    expect(toHex(publicKey)).toBe(toHex(pointOf(privateKey)));
  });

  it("never makes the same pair twice", () => {
    expect(generateEphemeralKeyPair().privateKey).not.toEqual(generateEphemeralKeyPair().privateKey);
  });

  it("draws again when the first draw is no scalar of the curve", () => {
    const draws = [new Uint8Array(32).fill(0xff), new Uint8Array(32).fill(0x11)];
    const { privateKey } = generateEphemeralKeyPair(() => draws.shift() as Uint8Array);
    expect(privateKey).toEqual(new Uint8Array(32).fill(0x11));
  });

  it("gives up on a source that is not random", () => {
    expect(() => generateEphemeralKeyPair(() => new Uint8Array(32))).toThrow(TypeError);
    expect(() => generateEphemeralKeyPair(() => new Uint8Array(8).fill(1))).toThrow(TypeError);
  });
});

describe("computeSharedSecret", () => {
  it("agrees with the vector of RFC 5903, section 8.1", () => {
    const initiator = hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
    const responder = hex("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53");
    const shared = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";
    expect(toHex(computeSharedSecret(initiator, p256.getPublicKey(responder, true)))).toBe(shared);
    expect(toHex(computeSharedSecret(responder, p256.getPublicKey(initiator, true)))).toBe(shared);
  });

  it("keeps the leading zeros of a small x-coordinate", () => {
    const [own, zero] = [new Uint8Array(32).fill(7), 0];
    for (let i = 1; ; i++) {
      const peer = pointOf(
        new Uint8Array(32)
          .fill(0)
          .with(31, i & 255)
          .with(30, i >> 8),
      );
      const expected = ecdh(own, peer);
      if (expected[0] !== zero) continue;
      expect(toHex(computeSharedSecret(own, peer))).toBe(toHex(expected));
      return;
    }
  });

  it.each([
    ["of no bytes", ""],
    ["of 32 bytes", "02".padEnd(64, "1")],
    ["that is uncompressed", toHex(p256.getPublicKey(new Uint8Array(32).fill(9), false))],
    ["with an unknown prefix", `04${"11".repeat(32)}`],
    ["that is no point of the curve", `02${"00".repeat(31)}01`],
    ["beyond the field", `02${"ff".repeat(32)}`],
    ["at infinity", "00"],
  ])("refuses a public key %s", (_, key) => {
    const attempt = () => computeSharedSecret(new Uint8Array(32).fill(7), hex(key));
    expect(attempt).toThrow(AmeshError);
    expect(attempt).toThrow(expect.objectContaining({ code: "invalid_public_key" }));
  });

  it.each([
    ["zero", new Uint8Array(32)],
    ["the order or more", new Uint8Array(32).fill(0xff)],
    ["31 bytes", new Uint8Array(31).fill(1)],
  ])("calls a private key of %s a programmer's mistake", (_, privateKey) => {
    expect(() => computeSharedSecret(privateKey, generateEphemeralKeyPair().publicKey)).toThrow(TypeError);
  });

  it("yields a secret or invalid_public_key, whatever the bytes", () => {
    const privateKey = new Uint8Array(32).fill(7);
    const anyKey = fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      fc
        .uint8Array({ minLength: 33, maxLength: 33 })
        .map((bytes) => bytes.with(0, 2 + ((bytes[0] as number) & 1))),
    );
    fc.assert(
      fc.property(anyKey, (publicKey) => {
        try {
          return computeSharedSecret(privateKey, publicKey).length === 32;
        } catch (error) {
          return error instanceof AmeshError && error.code === "invalid_public_key";
        }
      }),
    );
  });
});

describe("deriveSessionKey", () => {
  it("gives both sides of an exchange the same key of 32 bytes", () => {
    const [target, controller] = [generateEphemeralKeyPair(), generateEphemeralKeyPair()];
    const key = deriveSessionKey(computeSharedSecret(target.privateKey, controller.publicKey));
    expect(key).toHaveLength(32);
    expect(key).toEqual(deriveSessionKey(computeSharedSecret(controller.privateKey, target.publicKey)));
  });

  it("is HKDF-SHA-256: the first 32 bytes of RFC 5869, case 3, without salt and info", () => {
    expect(toHex(deriveSessionKey(new Uint8Array(22).fill(0x0b)))).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
    );
  });

  it("separates keys by salt and by info", () => {
    const secret = utf8("a shared secret");
    const salt = fromBase64("AAECAwQFBgc=") as Uint8Array;
    expect(toHex(deriveSessionKey(secret, { salt, info: "tunnel" }))).toBe(
      toHex(hkdf(secret, salt, "tunnel")),
    );
    const keys = [{}, { salt }, { info: "tunnel" }, { salt, info: "tunnel" }, { salt, info: "Tunnel" }];
    expect(new Set(keys.map((options) => toHex(deriveSessionKey(secret, options)))).size).toBe(keys.length);
  });
});
