import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { PrivateKey } from "@authmesh/core";
import { createLocalJWKSet, jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { createP256Signer, type PublicJwk, staticKeys, thumbprint } from "../src/index.js";
import { audience, claims, issuer, mint, noon, outcome, signer, verifierWith } from "./token-fixture.js";

const p256 = createP256Signer(PrivateKey.fromBytes(new Uint8Array(32).fill(9)));
const currentDate = new Date(noon * 1000);

/** A key as another program makes and publishes it. */
function foreignKey(alg: "EdDSA" | "ES256"): { privateKey: KeyObject; publicJwk: PublicJwk } {
  const { publicKey, privateKey } =
    alg === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = publicKey.export({ format: "jwk" });
  return { privateKey, publicJwk: { ...jwk, kid: thumbprint(jwk), alg, use: "sig" } as PublicJwk };
}

describe("a token of ours", () => {
  it.each([signer, p256])("of either algorithm is one to jose, by the published keys", async (by) => {
    const jwks = createLocalJWKSet({ keys: [signer.publicJwk, p256.publicJwk] });
    const { payload, protectedHeader } = await jwtVerify(await mint({}, { signer: by }), jwks, {
      issuer,
      audience,
      typ: "om+jwt",
      algorithms: ["EdDSA", "ES256"],
      maxTokenAge: 300,
      currentDate,
    });
    expect(payload).toMatchObject({ ...claims, exp: noon + 120 });
    expect(protectedHeader).toEqual({ alg: by.publicJwk.alg, kid: by.publicJwk.kid, typ: "om+jwt" });
  });
});

describe.each(["EdDSA", "ES256"] as const)("a token that jose signed with %s", (alg) => {
  const { privateKey, publicJwk } = foreignKey(alg);
  const keys = staticKeys({ [issuer]: { keys: [publicJwk] } });
  const signed = (header: object = {}) =>
    new SignJWT({ act: "orders.write" })
      .setProtectedHeader({ alg, kid: publicJwk.kid, typ: "om+jwt", ...header })
      .setIssuer(issuer)
      .setSubject(claims.sub)
      .setAudience(audience)
      .setIssuedAt(noon)
      .setExpirationTime(noon + 300)
      .setJti(randomUUID())
      .sign(privateKey);

  it("is one to us", async () => {
    for (let i = 0; i < 20; i++)
      expect(outcome(await verifierWith({ keys }).verify(await signed()))).toBe("allowed");
  });

  it("is none under the header that JWTs commonly have", async () => {
    expect(outcome(await verifierWith({ keys }).verify(await signed({ typ: "JWT" })))).toBe(
      "2 token_malformed",
    );
  });
});
