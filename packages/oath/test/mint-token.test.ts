import { AmeshError, PrivateKey } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import {
  type ClaimsToMint,
  createEd25519Signer,
  createP256Signer,
  mintToken,
  readToken,
  staticKeys,
  type TokenClaims,
} from "../src/index.js";
import { audience, claims, issuer, noon, outcome, signer, verifierWith } from "./token-fixture.js";

const options = { issuer, signer, now: () => noon * 1000 + 999 };
const every: Required<Omit<ClaimsToMint, "rqh" | "cnf">> = {
  ...claims,
  nbf: noon,
  scope: ["orders:rw", "invoices:r"],
  reason: "Ümläute are text",
  src: {
    type: "github-actions",
    repo: "a/b",
    workflow: "Release it",
    ref: "refs/heads/main",
    run_id: "7",
    sha: "ab",
    environment: "production",
  },
  env: "prod",
  tenant: "@acme",
};

describe("minting", () => {
  it("gives a token for two minutes that says who issued it and when", async () => {
    const minted = await mintToken(claims, options);
    expect(minted.claims).toEqual({
      ...claims,
      iss: issuer,
      iat: noon,
      exp: noon + 120,
      jti: expect.stringMatching(/^[\w-]{22}$/),
    });
    expect(readToken(minted.token)).toEqual({
      header: { alg: "EdDSA", kid: signer.publicJwk.kid },
      payload: minted.claims,
      claims: minted.claims,
    });
  });

  it("keeps every claim there is, and the verifier gives them on to the handler", async () => {
    const { token } = await mintToken(every, options);
    const decision = await verifierWith().verify(token);
    expect(decision).toMatchObject({ allowed: true, claims: every });
    expect(decision.allowed && decision.caller).toEqual({
      principal: { subject: every.sub, issuer, tenant: "@acme" },
      action: "orders.write",
      scopes: every.scope,
      audience,
      tokenId: expect.any(String),
      source: every.src,
      environment: "prod",
      reason: "Ümläute are text",
      issuedAt: noon,
      expiresAt: noon + 120,
      verifiedAt: noon,
      bound: { request: false, key: false },
    });
    if (!decision.allowed) return;
    const { caller } = decision;
    for (const part of [
      caller,
      caller.principal,
      caller.scopes,
      caller.source,
      caller.bound,
      decision.claims,
    ])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it("makes every jti of 128 fresh random bits", async () => {
    const jtis = await Promise.all(
      Array.from({ length: 50 }, async () => (await mintToken(claims, options)).claims.jti),
    );
    expect(new Set(jtis).size).toBe(50);
    const fixed = await mintToken(claims, { ...options, random: (length) => new Uint8Array(length).fill(1) });
    expect(fixed.claims.jti).toBe("AQEBAQEBAQEBAQEBAQEBAQ");
  });

  it("with a key of P-256 gives a token of ES256", async () => {
    const p256 = createP256Signer(PrivateKey.generate());
    const { token } = await mintToken(claims, { ...options, signer: p256 });
    const keys = staticKeys({ [issuer]: { keys: [p256.publicJwk] } });
    expect(readToken(token).header).toEqual({ alg: "ES256", kid: p256.publicJwk.kid });
    expect(outcome(await verifierWith({ keys }).verify(token))).toBe("allowed");
    expect(outcome(await verifierWith().verify(token))).toBe("7 key_unknown");
  });

  it.each([1, 300])("takes a life of %i s", async (ttlSeconds) => {
    const { claims: minted } = await mintToken(claims, { ...options, ttlSeconds });
    expect(minted.exp - minted.iat).toBe(ttlSeconds);
  });

  it.each([0, -1, 301, 1.5, Number.NaN])("takes no life of %d s", async (ttlSeconds) => {
    await expect(mintToken(claims, { ...options, ttlSeconds })).rejects.toThrow(TypeError);
  });

  it.each([
    "",
    "issuer",
    "http://issuer.example.com",
    "https://a/?b",
    "https://a/#b",
    "https://user:pw@a/",
    "ftp://a/",
  ])("takes no issuer %j", async (wrong) => {
    await expect(mintToken(claims, { ...options, issuer: wrong })).rejects.toThrow(TypeError);
  });

  it.each([
    "http://localhost:4000",
    "http://127.0.0.1:4000",
    "http://[::1]:4000",
    "https://a.example.com/tenants/@b",
  ])("takes the issuer %s", async (right) => {
    expect((await mintToken(claims, { ...options, issuer: right })).claims.iss).toBe(right);
  });

  it.each<[string, Partial<Record<keyof TokenClaims, unknown>>, string]>([
    ["no subject", { sub: undefined }, "claim_missing"],
    ["a subject that is none", { sub: "billing" }, "claim_invalid"],
    ["two audiences", { aud: ["a", "b"] }, "claim_invalid"],
    ["a lone surrogate", { reason: "\ud800" }, "claim_invalid"],
    ["scopes that are one text", { scope: "a b" }, "claim_invalid"],
    ["more than fits", { scope: Array.from({ length: 64 }, () => "x".repeat(128)) }, "token_malformed"],
  ])("refuses %s", async (_, changes, code) => {
    const wrong = { ...claims, ...changes } as ClaimsToMint;
    const error = await mintToken(wrong, options).catch((error: unknown) => error);
    expect(error instanceof AmeshError && error.code).toBe(code);
  });

  it.each(["iss", "exp", "iat", "jti", "scopes", "admin"])(
    "leaves no claim %s to whoever asks",
    async (name) => {
      await expect(mintToken({ ...claims, [name]: 1 } as ClaimsToMint, options)).rejects.toThrow(TypeError);
    },
  );

  it("gives what the signer throws", async () => {
    const broken = {
      ...createEd25519Signer(new Uint8Array(32)),
      sign: () => Promise.reject(new AmeshError("key_store_busy")),
    };
    await expect(mintToken(claims, { ...options, signer: broken })).rejects.toMatchObject({
      code: "key_store_busy",
    });
  });
});
