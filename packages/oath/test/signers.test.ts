import { generateKeyPairSync, sign } from "node:crypto";
import { PrivateKey, readPublicKey, type Signable, signatureFromDer } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import {
  createEd25519Signer,
  createP256Signer,
  createRemoteSigner,
  staticKeys,
  type TokenSigner,
  thumbprint,
} from "../src/index.js";
import { issuer, mint, outcome, verifierWith } from "./token-fixture.js";

const verified = async (signer: TokenSigner) => {
  const keys = staticKeys({ [issuer]: { keys: [signer.publicJwk] } });
  return outcome(await verifierWith({ keys }).verify(await mint({}, { signer })));
};

describe("a signer", () => {
  it("of a key service that returns DER signs tokens once its signature is raw", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
    const signer = createRemoteSigner({
      publicKey: readPublicKey(pem),
      sign: async (message) => signatureFromDer(sign("sha256", message, privateKey)),
    });
    for (let i = 0; i < 10; i++) expect(await verified(signer)).toBe("allowed");
  });

  it("of a key service makes high S low, as many verifiers insist", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
    const raw = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
    const signer = createRemoteSigner({
      publicKey: readPublicKey(pem),
      sign: async (message) => sign("sha256", message, raw),
    });
    for (let i = 0; i < 20; i++) {
      const [, , text = ""] = (await mint({}, { signer })).split(".");
      expect(Buffer.from(text, "base64url")[32]).toBeLessThan(0x80);
    }
  });

  it("of Ed25519 that lives elsewhere is given by its JWK", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const jwk = { ...publicKey.export({ format: "jwk" }), alg: "EdDSA", use: "sig" };
    const publicJwk = { ...jwk, kid: thumbprint(jwk) } as TokenSigner["publicJwk"];
    const signer = createRemoteSigner({
      publicKey: publicJwk,
      sign: async (message) => sign(null, message, privateKey),
    });
    expect(await verified(signer)).toBe("allowed");
  });

  it.each<[string, (message: Uint8Array) => Uint8Array]>([
    ["another key's signature", (message) => PrivateKey.generate().sign(message as Signable)],
    ["zeros", () => new Uint8Array(64)],
    ["too little", () => new Uint8Array(10)],
    ["a signature in DER", () => new Uint8Array(70).fill(0x30)],
  ])("gives out no signature that does not fit: %s", async (_, wrong) => {
    const { publicKey } = PrivateKey.generate();
    const signer = createRemoteSigner({ publicKey, sign: async (message) => wrong(message) });
    await expect(mint({}, { signer })).rejects.toMatchObject({ code: "key_mismatch" });
  });

  it("is not made of a key that no verifier would take", () => {
    const { publicJwk } = createEd25519Signer(new Uint8Array(32));
    const sign = async () => new Uint8Array(64);
    expect(() => createRemoteSigner({ publicKey: { ...publicJwk, kid: "x" }, sign })).toThrow(TypeError);
    expect(() => createEd25519Signer(new Uint8Array(31))).toThrow(TypeError);
  });

  it("of the same key has the same kid every time", () => {
    const kids = [1, 2].map(
      () => createP256Signer(PrivateKey.fromBytes(new Uint8Array(32).fill(5))).publicJwk.kid,
    );
    expect(kids[0]).toBe(kids[1]);
  });
});
