import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crypto } from "#crypto";
import { AmeshError, deviceIdOf, PublicKey, toBase64Url } from "../src/index.js";
import { anyText } from "./any-text.js";

// The base point of P-256 (SEC 2, 2.4.2): the public key of the private key 1.
const basePoint = Buffer.from("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296", "hex");

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "accepted";
};

const withX = (x: string) => Buffer.from(`02${x.padStart(64, "0")}`, "hex");

describe("a device id", () => {
  it("is am_ and 16 characters of the SHA-256 of the compressed key", () => {
    const digest = createHash("sha256").update(basePoint).digest("base64url");
    expect(deviceIdOf(basePoint)).toBe(`am_${digest.slice(0, 16)}`);
    expect(deviceIdOf(basePoint)).toBe("am_W6_4nefeXB17YZOh");
    expect(PublicKey.fromBytes(basePoint).deviceId).toBe(deviceIdOf(basePoint));
  });

  it("differs between a point and its mirror image, which share x", () => {
    const mirrored = Uint8Array.from(basePoint);
    mirrored[0] = 2;
    expect(PublicKey.fromBytes(mirrored).deviceId).not.toBe(PublicKey.fromBytes(basePoint).deviceId);
  });
});

describe("a public key", () => {
  it("is read from base64 and from base64url, and written as base64", () => {
    for (let i = 1; i <= 20; i++) {
      const bytes = crypto.publicKeyOf(new Uint8Array(32).fill(i));
      const standard = Buffer.from(bytes).toString("base64");
      expect(PublicKey.fromBase64(standard).base64).toBe(standard);
      expect(PublicKey.fromBase64(toBase64Url(bytes)).base64).toBe(standard);
    }
  });

  it("keeps its own copy of the bytes", () => {
    const bytes = Uint8Array.from(basePoint);
    const key = PublicKey.fromBytes(bytes);
    bytes.fill(0);
    expect(Buffer.from(key.bytes)).toEqual(basePoint);
  });

  it.each([
    ["no bytes", new Uint8Array(0)],
    ["one byte, the point at infinity", Uint8Array.of(0)],
    ["32 bytes", basePoint.subarray(1)],
    ["34 bytes", Buffer.concat([basePoint, Uint8Array.of(0)])],
    ["an uncompressed prefix", Buffer.concat([Uint8Array.of(4), basePoint.subarray(1)])],
    ["a hybrid prefix", Buffer.concat([Uint8Array.of(6), basePoint.subarray(1)])],
    ["x of no point on the curve", withX("7")],
    [
      "x equal to the field's prime",
      withX("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    ],
    ["x = 5 written as 5 + p", withX("ffffffff00000001000000000000000000000001000000000000000000000004")],
  ])("is refused with %s", (_, bytes) => {
    expect(codeOf(() => PublicKey.fromBytes(bytes))).toBe("invalid_public_key");
  });

  it("with x = 5 is on the curve, so that only its spelling was refused above", () => {
    expect(codeOf(() => PublicKey.fromBytes(withX("5")))).toBe("accepted");
  });

  it.each([
    "",
    "A",
    "=".repeat(44),
    `${basePoint.toString("base64")} `,
    basePoint.toString("hex"),
    "é".repeat(44),
  ])("is not read from the text %j", (text) =>
    expect(codeOf(() => PublicKey.fromBase64(text))).toBe("invalid_public_key"),
  );

  it("is a key or invalid_public_key, whatever the text or bytes", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      fc.uint8Array({ minLength: 33, maxLength: 33 }).map((point) => Uint8Array.of(2, ...point.subarray(1))),
    );
    fc.assert(
      fc.property(bytes, anyText(50), (point, text) => {
        const verdicts = [
          codeOf(() => PublicKey.fromBytes(point)),
          codeOf(() => PublicKey.fromBase64(text)),
          codeOf(() => PublicKey.fromBase64(toBase64Url(point))),
        ];
        for (const verdict of verdicts) expect(["accepted", "invalid_public_key"]).toContain(verdict);
      }),
    );
  });
});
