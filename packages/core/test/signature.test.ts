import { createPublicKey, verify as opensslVerify } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crypto } from "#crypto";
import { utf8 } from "../src/encoding.js";
import { AmeshError, signatureFromDer, signMessage, toHex, toLowS, verifyMessage } from "../src/index.js";

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const privateKey = new Uint8Array(32).fill(7);
const publicKey = crypto.publicKeyOf(privateKey);
const message = utf8("AMv1\nan example");

const toBytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
const toBigInt = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes)}`);
const raw = (r: bigint, s: bigint) => Buffer.concat([toBytes(r), toBytes(s)]);
const sOf = (signature: Uint8Array) => toBigInt(signature.subarray(32));
const withOtherS = (signature: Uint8Array) =>
  raw(toBigInt(signature.subarray(0, 32)), order - sOf(signature));

describe("signMessage", () => {
  it("gives 64 bytes with s in the lower half, time after time", () => {
    for (let i = 0; i < 40; i++) {
      const signature = signMessage(privateKey, utf8(`message ${i}`));
      expect(signature).toHaveLength(64);
      expect(sOf(signature) <= order / 2n).toBe(true);
    }
  });

  it("gives what OpenSSL and a library that insists on low s accept", () => {
    const spki = Buffer.concat([
      Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"),
      publicKey,
    ]);
    const key = createPublicKey({ key: spki, format: "der", type: "spki" });
    const signature = signMessage(privateKey, message);
    expect(opensslVerify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    expect(p256.verify(signature, message, publicKey, { lowS: true })).toBe(true);
  });

  it.each([
    ["31 bytes", new Uint8Array(31).fill(1)],
    ["33 bytes", new Uint8Array(33).fill(1)],
    ["zero", new Uint8Array(32)],
    ["the order of the curve", toBytes(order)],
    ["more than the order", new Uint8Array(32).fill(255)],
  ])("takes %s for a mistake of the programmer", (_, key) => {
    expect(() => signMessage(key, message)).toThrow(TypeError);
  });
});

describe("verifyMessage", () => {
  const signature = signMessage(privateKey, message);

  it("accepts the signature and its twin with high s", () => {
    const high = withOtherS(signature);
    expect(sOf(high) > order / 2n).toBe(true);
    expect(verifyMessage(signature, message, publicKey)).toBe(true);
    expect(verifyMessage(high, message, publicKey)).toBe(true);
  });

  it("refuses another message and another key", () => {
    expect(verifyMessage(signature, utf8("AMv1\nanother"), publicKey)).toBe(false);
    expect(verifyMessage(signature, message, crypto.publicKeyOf(new Uint8Array(32).fill(8)))).toBe(false);
  });

  it("refuses a signature with any one bit changed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const changed = Uint8Array.from(signature);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(verifyMessage(changed, message, publicKey)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  const r = toBigInt(signature.subarray(0, 32));
  const s = sOf(signature);
  it.each([
    ["nothing", new Uint8Array(0)],
    ["63 bytes", signature.subarray(1)],
    ["65 bytes", Buffer.concat([signature, Uint8Array.of(0)])],
    ["r = s = 0", new Uint8Array(64)],
    ["r = 0", raw(0n, s)],
    ["s = 0", raw(r, 0n)],
    ["r = n", raw(order, s)],
    ["s = n", raw(r, order)],
    ["r = s = n", raw(order, order)],
    ["all ones", new Uint8Array(64).fill(255)],
    ["r and s swapped", raw(s, r)],
    [
      "DER",
      Buffer.concat([
        Uint8Array.of(0x30, 68, 2, 32),
        signature.subarray(0, 32),
        Uint8Array.of(2, 32),
        signature.subarray(32),
      ]),
    ],
  ])("answers false to %s", (_, malformed) => {
    expect(verifyMessage(malformed, message, publicKey)).toBe(false);
  });

  it.each([
    ["no bytes", new Uint8Array(0)],
    ["32 bytes", publicKey.subarray(1)],
    ["zeros", new Uint8Array(33)],
    ["an uncompressed prefix", Buffer.concat([Uint8Array.of(4), publicKey.subarray(1)])],
    ["no point of the curve", Buffer.from(`02${"7".padStart(64, "0")}`, "hex")],
  ])("answers false to a public key of %s", (_, key) => {
    expect(verifyMessage(signature, message, key)).toBe(false);
  });

  it("never throws, whatever the bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    const sixtyFour = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(
        fc.oneof(bytes, sixtyFour),
        bytes,
        fc.oneof(bytes, fc.constant(publicKey)),
        (forged, text, key) => {
          expect(verifyMessage(forged, text, key)).toBe(false);
        },
      ),
    );
  });
});

describe("toLowS", () => {
  const half = order / 2n;
  it.each([
    ["1", 1n, 1n],
    ["half the order", half, half],
    ["one more than half", half + 1n, order - half - 1n],
    ["the order less one", order - 1n, 1n],
    ["2^255 - 2^248, of which the first byte alone decides", 0x7fn << 248n, 0x7fn << 248n],
  ])("maps %s into the lower half and leaves r alone", (_, s, low) => {
    expect(Buffer.from(toLowS(raw(5n, s)))).toEqual(raw(5n, low));
  });

  it("does not make s = n anything that verifies", () => {
    expect(verifyMessage(toLowS(raw(5n, order)), message, publicKey)).toBe(false);
  });

  it.each([0, 32, 63, 65])("refuses %i bytes, as a broken key store may return", (length) => {
    expect(() => toLowS(new Uint8Array(length))).toThrow(AmeshError);
  });
});

describe("a DER signature", () => {
  const derInteger = (value: bigint) => {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    const body = (bytes[0] as number) >= 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes;
    return Buffer.concat([Uint8Array.of(2, body.length), body]);
  };
  const der = (r: bigint, s: bigint) => {
    const body = Buffer.concat([derInteger(r), derInteger(s)]);
    return Buffer.concat([Uint8Array.of(0x30, body.length), body]);
  };

  it("is read as r and s of 32 bytes each, padded on the left, s low", () => {
    const scalar = fc.oneof(fc.bigInt({ min: 1n, max: order - 1n }), fc.bigInt({ min: 1n, max: 300n }));
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        expect(Buffer.from(signatureFromDer(der(r, s)))).toEqual(raw(r, s > order / 2n ? order - s : s));
      }),
    );
  });

  const ff32 = "ff".repeat(32);
  it.each([
    ["nothing", ""],
    ["one byte", "30"],
    ["an empty sequence", "3000"],
    ["one integer", "3003020101"],
    ["three integers", "3009020101020101020101"],
    ["another tag than SEQUENCE", "3106020101020101"],
    ["another tag than INTEGER", "3006030101020101"],
    ["a second tag that is not INTEGER", "3006020101040101"],
    ["a byte after the end", "300602010102010100"],
    ["a byte after the end that the length counts", "300702010102010100"],
    ["a length too long", "3007020101020101"],
    ["a length too short", "3005020101020101"],
    ["the long form of the length", "308106020101020101"],
    ["the indefinite form", "30800201010201010000"],
    ["the long form in an integer", "300702810101020101"],
    ["an empty integer", "30050200020101"],
    ["an empty second integer", "30050201010200"],
    ["a negative integer", "3006020181020101"],
    ["a needless leading zero", "300702020001020101"],
    ["a needless leading zero in the second", "300702010102020001"],
    ["zero spelt with two bytes", "300702020000020101"],
    ["a magnitude of 33 bytes", `3026022101${ff32}020101`],
    ["a magnitude of 33 bytes after a zero", `302702220080${ff32}020101`],
    ["a second magnitude of 33 bytes", `3026020101022101${ff32}`],
    ["an integer that runs past the end", "3006020101020201"],
  ])("is refused with %s", (_, hex) => {
    expect(() => signatureFromDer(Buffer.from(hex, "hex"))).toThrow(
      expect.objectContaining({ code: "signature_invalid" }),
    );
  });

  it("with a magnitude of 32 bytes of ones is well formed, and verifies nothing", () => {
    const signature = signatureFromDer(Buffer.from(`3026022100${ff32}020101`, "hex"));
    expect(toHex(signature)).toBe(`${ff32}${"1".padStart(64, "0")}`);
    expect(verifyMessage(signature, message, publicKey)).toBe(false);
  });

  it("is a signature or signature_invalid, whatever the bytes", () => {
    const nearly = fc
      .tuple(fc.nat({ max: 71 }), fc.nat({ max: 255 }))
      .map(([at, value]) =>
        Uint8Array.from(der(order - 1n, order - 2n), (byte, i) => (i === at ? value : byte)),
      );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), nearly), (bytes) => {
        try {
          expect(signatureFromDer(bytes)).toHaveLength(64);
        } catch (error) {
          expect((error as AmeshError).code).toBe("signature_invalid");
        }
      }),
      { numRuns: 500 },
    );
  });
});
