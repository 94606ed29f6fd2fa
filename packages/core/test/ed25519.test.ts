import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AmeshError, Ed25519PrivateKey, Ed25519PublicKey, toHex, utf8 } from "../src/index.js";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** RFC 8032, 7.1: secret key, public key, message, signature. */
const vectors = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
] as const;

const key = Ed25519PrivateKey.fromSeed(new Uint8Array(32).fill(3));
const message = utf8("whatever");
const signature = Uint8Array.from(key.sign(message));
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

/** A number in 32 bytes, the lowest first. */
const littleEndian = (value: bigint) => bytes(value.toString(16).padStart(64, "0")).reverse();

describe("an Ed25519 key", () => {
  it.each(vectors)("signs and verifies as RFC 8032 has it: %s", (secret, publicKey, text, expected) => {
    const privateKey = Ed25519PrivateKey.fromSeed(bytes(secret));
    expect(toHex(privateKey.publicKey.bytes)).toBe(publicKey);
    expect(toHex(privateKey.sign(bytes(text)))).toBe(expected);
    expect(Ed25519PublicKey.fromBytes(bytes(publicKey)).verify(bytes(text), bytes(expected))).toBe(true);
  });

  it("verifies nothing but its own signature over this message, and never throws", () => {
    expect(key.publicKey.verify(utf8("whatever else"), signature)).toBe(false);
    const other = Ed25519PrivateKey.fromSeed(new Uint8Array(32).fill(4)).publicKey;
    expect(other.verify(message, signature)).toBe(false);
    for (const length of [0, 63, 65])
      expect(key.publicKey.verify(message, new Uint8Array(length))).toBe(false);
    for (let bit = 0; bit < 512; bit += 7) {
      const changed = Uint8Array.from(signature);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(key.publicKey.verify(message, changed)).toBe(false);
    }
  });

  it("takes no signature whose second half was raised by the order of the group", () => {
    const s = BigInt(`0x${toHex(signature.slice(32).reverse())}`);
    const raised = Uint8Array.from([...signature.slice(0, 32), ...littleEndian(s + order)]);
    expect(key.publicKey.verify(message, raised)).toBe(false);
  });

  it.each([
    ["31 bytes", new Uint8Array(31).fill(1), "has not 32 bytes"],
    ["33 bytes", new Uint8Array(33).fill(1), "has not 32 bytes"],
    ["all zeros, a point of order 4", new Uint8Array(32), "low order"],
    ["the neutral element", littleEndian(1n), "low order"],
    ["the neutral element with a sign", littleEndian(1n + 2n ** 255n), "low order"],
    ["the point of order 2", littleEndian(2n ** 255n - 20n), "low order"],
    ["a y of the prime itself", littleEndian(2n ** 255n - 19n), "canonical"],
    ["a y above the prime", littleEndian(2n ** 255n - 2n), "canonical"],
    ["no point of the curve", littleEndian(2n), "not a point"],
  ])("is not made of %s", (_, publicKey, why) => {
    expect(() => Ed25519PublicKey.fromBytes(publicKey)).toThrow(why);
    expect(() => Ed25519PublicKey.fromBytes(publicKey)).toThrow(AmeshError);
  });

  it("is not made of any of the eight points of low order", () => {
    // The neutral element, and what adding a point of order 8 to itself comes by.
    const small = ed25519.Point.fromHex(
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      true,
    );
    for (let times = 1n; times <= 8n; times++) {
      const point = times === 8n ? ed25519.Point.ZERO : small.multiplyUnsafe(times);
      expect(() => Ed25519PublicKey.fromBytes(point.toBytes())).toThrow("low order");
    }
  });

  it("of any 32 bytes is one exactly when another implementation finds the point", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (any) => {
        const finds = () => {
          try {
            return !ed25519.Point.fromBytes(Uint8Array.from(any), false).isSmallOrder();
          } catch {
            return false;
          }
        };
        const makes = () => {
          try {
            return Ed25519PublicKey.fromBytes(any) instanceof Ed25519PublicKey;
          } catch (error) {
            expect(error).toBeInstanceOf(AmeshError);
            return false;
          }
        };
        expect(makes()).toBe(finds());
      }),
      { numRuns: 300 },
    );
  });

  it("keeps no hold of the bytes it was made from, and takes 32 of them alone", () => {
    const seed = new Uint8Array(32).fill(3);
    const copied = Ed25519PrivateKey.fromSeed(seed);
    seed.fill(0);
    expect(toHex(copied.sign(message))).toBe(toHex(signature));
    expect(() => Ed25519PrivateKey.fromSeed(new Uint8Array(31))).toThrow(TypeError);
  });
});
