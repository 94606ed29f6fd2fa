import { describe, expect, it } from "vitest";
import { checkAudience, createVerifier, InMemoryNonceStore, type VerifierOptions } from "../src/index.js";
import { DevicesInMemory, verifierWith } from "./verification-fixture.js";

describe("options that make no sense are a TypeError when the verifier is made", () => {
  it.each<[string, Partial<Record<keyof VerifierOptions, unknown>>]>([
    ["trust", { trust: undefined }],
    ["trust", { trust: {} }],
    ["nonces", { nonces: undefined }],
    ["nonces", { nonces: { set: () => {} } }],
    ["clockSkewSeconds", { clockSkewSeconds: -1 }],
    ["clockSkewSeconds", { clockSkewSeconds: 301 }],
    ["clockSkewSeconds", { clockSkewSeconds: 1.5 }],
    ["clockSkewSeconds", { clockSkewSeconds: Number.NaN }],
    ["clockSkewSeconds", { clockSkewSeconds: Number.POSITIVE_INFINITY }],
    ["clockSkewSeconds", { clockSkewSeconds: "30" }],
    ["nonceWindowSeconds", { nonceWindowSeconds: -1 }],
    ["nonceWindowSeconds", { nonceWindowSeconds: 86_401 }],
    ["maxBodyBytes", { maxBodyBytes: -1 }],
    ["maxBodyBytes", { maxBodyBytes: Number.POSITIVE_INFINITY }],
    ["bodyTimeoutSeconds", { bodyTimeoutSeconds: 0 }],
    ["bodyTimeoutSeconds", { bodyTimeoutSeconds: 3601 }],
    ["maxPendingBodies", { maxPendingBodies: 0 }],
    ["audience", { audience: "" }],
    ["audience", { audience: [] }],
    ["now", { now: 5 }],
    ["audience", { audience: " , " }],
    ["audience", { audience: "api.example.com,a b" }],
    ["audience", { audience: ["api.example.com,localhost"] }],
    ["audience", { audience: "https://api.example.com" }],
    ["audience", { audience: ["api.example.com", "api.example.com/orders"] }],
    ["audience", { audience: "a b" }],
    ["scope", { scope: "orders" }],
    ["scope", { scope: "orders:rw" }],
  ])("%s: %j", (name, options) => {
    const make = () => verifierWith(options as Partial<VerifierOptions>);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(name);
  });

  it.each<Partial<VerifierOptions>>([
    {},
    {
      clockSkewSeconds: 0,
      nonceWindowSeconds: 0,
      maxBodyBytes: 0,
      bodyTimeoutSeconds: 1,
      maxPendingBodies: 1,
    },
    { clockSkewSeconds: 300, nonceWindowSeconds: 86_400, bodyTimeoutSeconds: 3600 },
    { audience: ["api.example.com", "[::1]:3000"], scope: "orders.items:w", requireHostBinding: true },
  ])("%j make sense", (options) => {
    const trust = new DevicesInMemory();
    expect(typeof createVerifier({ trust, nonces: new InMemoryNonceStore(), ...options })).toBe("function");
  });
});

it("an audience in one string is split at commas, as AMESH_AUDIENCE is", () => {
  expect(checkAudience("api.example.com, localhost:3000,")).toEqual(["api.example.com", "localhost:3000"]);
});

it("checkAudience gives every host its one spelling", () => {
  expect(checkAudience(undefined)).toEqual([]);
  expect(checkAudience("API.example.com.")).toEqual(["api.example.com"]);
  expect(checkAudience(["a:80", "B:3000"])).toEqual(["a", "b:3000"]);
});
