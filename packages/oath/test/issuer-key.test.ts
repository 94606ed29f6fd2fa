import { createPublicKey } from "node:crypto";
import { type JsonValue, PrivateKey } from "@authmesh/core";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { calculateJwkThumbprint } from "jose";
import { describe, expect, it } from "vitest";
import {
  createEd25519Signer,
  createP256Signer,
  importIssuerKey,
  staticKeys,
  thumbprint,
} from "../src/index.js";

const okp = createEd25519Signer(new Uint8Array(32).fill(1)).publicJwk;
const ec = createP256Signer(PrivateKey.fromBytes(new Uint8Array(32).fill(2))).publicJwk;
/** With a thumbprint that fits, so that nothing else is what is refused. */
const rehashed = (jwk: Record<string, unknown>) => ({ ...jwk, kid: thumbprint(jwk) });
const base64Url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
const problemOf = (jwk: unknown) => importIssuerKey(jwk as JsonValue).problem;

describe("a thumbprint", () => {
  it("is that of RFC 8037, appendix A.3", () => {
    const jwk = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
    expect(thumbprint(jwk)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  });

  it.each([okp, ec])("is what jose computes, whatever else the key holds", async (jwk) => {
    expect(thumbprint({ ...jwk, ext: true })).toBe(await calculateJwkThumbprint(jwk));
    expect(jwk.kid).toBe(thumbprint(jwk));
  });

  it("is of the two kinds of key alone", () => {
    expect(() => thumbprint({ kty: "RSA", n: "AQAB", e: "AQAB" })).toThrow(TypeError);
  });
});

describe("an issuer's key", () => {
  it.each([okp, ec])("is imported as it is published, with members that say more", (jwk) => {
    const { key } = importIssuerKey({ ...jwk, ext: true, x5t: "x", key_ops: ["verify"] });
    expect(key).toMatchObject({ kid: jwk.kid, alg: jwk.alg });
    // Another implementation reads it too.
    expect(createPublicKey({ key: jwk, format: "jwk" }).type).toBe("public");
  });

  it.each<[string, unknown]>([
    ["text", "x"],
    ["nothing", undefined],
    ["null", null],
    ["a list", [okp]],
    ["RSA", { kty: "RSA", n: "AQAB", e: "AQAB", alg: "RS256", use: "sig" }],
    ["a secret", { kty: "oct", k: "AQAB", alg: "HS256", use: "sig" }],
    ["the curve of the other type", { ...okp, crv: "P-256" }],
    ["X25519", rehashed({ ...okp }) && { ...okp, crv: "X25519" }],
    ["secp256k1", { ...ec, crv: "secp256k1" }],
    ["the algorithm of the other type", { ...okp, alg: "ES256" }],
    ["HS256", { ...ec, alg: "HS256" }],
    ["no algorithm", { ...okp, alg: undefined }],
    ["another use", { ...okp, use: "enc" }],
    ["no use", { ...okp, use: undefined }],
    ["another kid", { ...okp, kid: ec.kid }],
    ["no kid", { ...okp, kid: undefined }],
    ["the private half", { ...okp, d: "AQAB" }],
    ["an x that is too short", rehashed({ ...okp, x: base64Url(new Uint8Array(31).fill(1)) })],
    ["an x that is too long", rehashed({ ...okp, x: base64Url(new Uint8Array(33).fill(1)) })],
    ["an x of a megabyte", rehashed({ ...okp, x: "A".repeat(1 << 20) })],
    ["an x with padding", rehashed({ ...okp, x: `${"x" in okp && okp.x}=` })],
    ["an x that is a number", { ...okp, x: 1, kid: thumbprint({ ...okp, x: 1 }) }],
    ["a point of low order", rehashed({ ...okp, x: base64Url(new Uint8Array(32)) })],
    [
      "a point of order 8",
      rehashed({
        ...okp,
        x: base64Url(
          ed25519.Point.fromHex(
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            true,
          ).toBytes(),
        ),
      }),
    ],
    [
      "a y that is not a point's",
      rehashed({ ...okp, x: base64Url(Uint8Array.from([2, ...new Uint8Array(31)])) }),
    ],
    ["a point that is not of P-256", rehashed({ ...ec, y: base64Url(new Uint8Array(32).fill(1)) })],
    ["no y", rehashed({ ...ec, y: undefined })],
  ])("is not made of %s", (_, jwk) => {
    expect(problemOf(jwk)).toMatch(/^it/);
  });

  it("of any JSON is a key or a problem, never a throw", () => {
    const member = fc.oneof(
      fc.constantFrom<unknown>(...Object.values(okp), ...Object.values(ec)),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const near = fc.record(
      { kty: member, crv: member, alg: member, use: member, kid: member, x: member, y: member },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(near, fc.jsonValue()), (jwk) => {
        const { key, problem } = importIssuerKey(jwk as JsonValue);
        expect((key === undefined) !== (problem === undefined)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("keys that are known from the start", () => {
  it("are found under their issuer alone", () => {
    const keys = staticKeys({
      "https://a.example.com": { keys: [okp] },
      "https://b.example.com": { keys: [ec] },
    });
    expect(keys.find("https://a.example.com", okp.kid)).toMatchObject({ alg: "EdDSA" });
    expect(keys.find("https://b.example.com", okp.kid)).toBeUndefined();
    expect(keys.find("https://a.example.com", "__proto__")).toBeUndefined();
  });

  it("are refused at once when one of them is none", () => {
    expect(() => staticKeys({ "https://a.example.com": { keys: [{ ...okp, kid: ec.kid }] } })).toThrow(
      TypeError,
    );
  });
});
