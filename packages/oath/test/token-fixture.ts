import { type IncomingRequest, InMemoryNonceStore } from "@authmesh/core";
import {
  type ClaimsToMint,
  createEd25519Signer,
  createTokenVerifier,
  type MintOptions,
  mintToken,
  staticKeys,
  type TokenDecision,
  type TokenVerifierOptions,
} from "../src/index.js";

/** Unix seconds at which everything here happens. */
export const noon = 1_743_160_800;
export const issuer = "https://issuer.example.com";
export const audience = "https://api.example.com";
export const signer = createEd25519Signer(new Uint8Array(32).fill(7));
export const keys = staticKeys({ [issuer]: { keys: [signer.publicJwk] } });
export const claims: ClaimsToMint = { sub: "svc://billing/worker", aud: audience, act: "orders.write" };

export const mint = async (changes: Partial<ClaimsToMint> = {}, options: Partial<MintOptions> = {}) =>
  (await mintToken({ ...claims, ...changes }, { issuer, signer, now: () => noon * 1000, ...options })).token;

/** A verifier at noon that trusts the issuer and asks no policy, unless told otherwise. */
export const verifierWith = (options: Partial<TokenVerifierOptions> = {}) =>
  createTokenVerifier({
    audience,
    trustedIssuers: [issuer],
    keys,
    replay: new InMemoryNonceStore(),
    policy: "none",
    hosts: "api.example.com",
    now: () => noon * 1000,
    ...options,
  });

/** "allowed", or step and error of the refusal. */
export const outcome = (decision: TokenDecision): string =>
  decision.allowed ? "allowed" : `${decision.failure.step} ${decision.failure.error}`;

/** A GET without a body. */
export const requestWith = (
  headers: Readonly<Record<string, readonly string[]>>,
  target = "/api/orders?b=2&a=1",
): IncomingRequest => ({
  method: "GET",
  target,
  headers: (name) => ({ host: ["api.example.com"], ...headers })[name] ?? [],
  hasBody: false,
  bodyHash: () => Promise.reject(new Error("There is no body.")),
});
