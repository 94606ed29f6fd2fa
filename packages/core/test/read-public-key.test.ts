import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AmeshError, readPublicKey, toBase64, toBase64Url } from "../src/index.js";
import { anyText } from "./any-text.js";

const curves = { prime256v1: "P-256", secp384r1: "P-384" };

/** From a JWK: Node.js 20 can come to a standstill when it exports a key that generateKeyPairSync made. */
const newKey = (curve: keyof typeof curves = "prime256v1") => {
  const pair = createECDH(curve);
  const point = pair.generateKeys();
  const half = (point.length - 1) / 2;
  const d = pair
    .getPrivateKey()
    .toString("hex")
    .padStart(2 * half, "0");
  const jwk = {
    kty: "EC",
    crv: curves[curve],
    x: point.subarray(1, 1 + half).toString("base64url"),
    y: point.subarray(1 + half).toString("base64url"),
    d: Buffer.from(d, "hex").toString("base64url"),
  };
  const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
  return { privateKey, publicKey: createPublicKey({ key: jwk, format: "jwk" }) };
};
const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;
const der = (key: KeyObject) => key.export({ type: "spki", format: "der" });
const coordinate = (key: KeyObject, name: "x" | "y") =>
  Buffer.from((key.export({ format: "jwk" }) as Record<string, string>)[name] as string, "base64url");

/** The point as SEC 1 writes it, by what node:crypto says of the key. */
const uncompressed = (key: KeyObject) =>
  Buffer.concat([Buffer.of(4), coordinate(key, "x"), coordinate(key, "y")]);
const compressed = (key: KeyObject) =>
  Buffer.concat([Buffer.of(2 + ((coordinate(key, "y")[31] as number) & 1)), coordinate(key, "x")]);

/** A PEM with the point compressed, as `openssl ec -pubout -conv_form compressed` writes it. */
const compressedPem = (key: KeyObject) => {
  const prefix = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
  const body = Buffer.concat([prefix, compressed(key)]).toString("base64");
  return `-----BEGIN PUBLIC KEY-----\n${body.slice(0, 64)}\n${body.slice(64)}\n-----END PUBLIC KEY-----\n`;
};

const spellings: Readonly<Record<string, (key: KeyObject) => string>> = {
  PEM: pem,
  "PEM with line ends of Windows": (key) => pem(key).replaceAll("\n", "\r\n"),
  "PEM with a compressed point": compressedPem,
  "a JWK": (key) => JSON.stringify(key.export({ format: "jwk" })),
  "a JWK with other members": (key) =>
    JSON.stringify({ ...key.export({ format: "jwk" }), kid: "1", use: "sig" }, null, 2),
  "base64 of SubjectPublicKeyInfo": (key) => toBase64(der(key)),
  "base64 of the compressed point": (key) => toBase64(compressed(key)),
  "base64url of the compressed point": (key) => toBase64Url(compressed(key)),
  "base64 of the uncompressed point": (key) => toBase64(uncompressed(key)),
  "base64url of the uncompressed point, a line end after it": (key) => `${toBase64Url(uncompressed(key))}\n`,
};

const detailOf = (key: string | Uint8Array): string => {
  try {
    readPublicKey(key);
  } catch (error) {
    if (error instanceof AmeshError && error.code === "invalid_public_key") return error.message;
    throw error;
  }
  return "accepted";
};

describe("a public key", () => {
  it.each(Object.entries(spellings))("is read from %s", (_, spell) => {
    for (let i = 0; i < 8; i++) {
      const { publicKey } = newKey();
      expect(readPublicKey(spell(publicKey)).base64).toBe(toBase64(compressed(publicKey)));
    }
  });

  it.each([
    ["SubjectPublicKeyInfo", der],
    ["the compressed point", compressed],
    ["the uncompressed point", uncompressed],
  ])("is read from the bytes of %s, which may change afterwards", (_, spell) => {
    const { publicKey } = newKey();
    const bytes = Uint8Array.from(spell(publicKey));
    const key = readPublicKey(bytes);
    bytes.fill(0);
    expect(key.base64).toBe(toBase64(compressed(publicKey)));
  });

  const { publicKey, privateKey } = newKey();
  const jwk = publicKey.export({ format: "jwk" });
  const offCurve = uncompressed(publicKey);
  offCurve[64] = (offCurve[64] as number) ^ 2;

  it.each([
    ["nothing", ""],
    ["white space", " \n"],
    ["words", "not a key"],
    ["a text without end", "A".repeat(5000)],
    ["a key of another curve", pem(newKey("secp384r1").publicKey)],
    ["an RSA key", pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)],
    ["two keys", pem(publicKey) + pem(publicKey)],
    ["a PEM with something after the key", pem(publicKey).replace("-----END", "AAAA\n-----END")],
    ["a certificate", pem(publicKey).replaceAll("PUBLIC KEY", "CERTIFICATE")],
    ["a JWK of another curve", JSON.stringify({ ...jwk, crv: "P-384" })],
    ["a JWK without y", JSON.stringify({ ...jwk, y: undefined })],
    ["a JWK with two x", `{"x":"A",${JSON.stringify(jwk).slice(1)}`],
    ["a list", JSON.stringify([jwk])],
    ["a point off the curve with the right x and the right sign", toBase64(offCurve)],
    ["a point at infinity", "AA=="],
    ["no bytes", new Uint8Array()],
    ["a key of another curve in DER", der(newKey("secp384r1").publicKey)],
    ["DER with something after the key", Buffer.concat([der(publicKey), Buffer.of(0)])],
    ["DER that ends too soon", der(publicKey).subarray(0, 90)],
    ["a private key in DER", privateKey.export({ type: "pkcs8", format: "der" })],
  ])("is not read from %s", (_, text) => expect(detailOf(text)).not.toBe("accepted"));

  it.each([
    ["PKCS #8", privateKey.export({ type: "pkcs8", format: "pem" }) as string],
    ["SEC 1", privateKey.export({ type: "sec1", format: "pem" }) as string],
    ["a JWK", JSON.stringify(privateKey.export({ format: "jwk" }))],
  ])("is not taken from a private key in %s, and the error does not repeat it", (_, text) => {
    expect(detailOf(text)).toMatch(/^This is a private key/);
    const secret = (privateKey.export({ format: "jwk" }).d as string).slice(0, 8);
    expect(detailOf(text)).not.toContain(secret);
  });

  it("is a key or invalid_public_key, whatever the text or the bytes", () => {
    const damaged = fc
      .tuple(fc.constantFrom(...Object.values(spellings)), fc.nat(), anyText(3))
      .map(([spell, at, text]) => {
        const whole = spell(publicKey);
        const cut = at % whole.length;
        return whole.slice(0, cut) + text + whole.slice(cut + text.length);
      });
    const damagedBytes = fc
      .tuple(fc.constantFrom(der, compressed, uncompressed), fc.nat(), fc.uint8Array({ maxLength: 3 }))
      .map(([spell, at, bytes]) => {
        const whole = Uint8Array.from(spell(publicKey));
        whole.set(bytes, at % (whole.length - 2));
        return whole;
      });
    fc.assert(
      fc.property(fc.oneof(anyText(200), fc.json(), damaged, damagedBytes, fc.uint8Array()), (text) => {
        expect(detailOf(text)).toEqual(expect.any(String));
      }),
      { numRuns: 1000 },
    );
  });
});
