import {
  AmeshError,
  canonicalJson,
  Ed25519PublicKey,
  fromBase64Url,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  publicKeyOfJwk,
  sha256,
  toBase64Url,
} from "@authmesh/core";
import type { IssuerKey, JwkSet, KeySource, TokenAlgorithm } from "./keys.js";

interface KeyKind {
  readonly kty: string;
  readonly crv: string;
  /** The members that a thumbprint is over (RFC 7638, 3.2; RFC 8037, 2). */
  readonly members: readonly string[];
  /** @throws AmeshError `invalid_public_key` */
  readonly read: (jwk: JsonObject) => Pick<IssuerKey, "verify">;
}

const kinds: Readonly<Record<TokenAlgorithm, KeyKind>> = {
  EdDSA: {
    kty: "OKP",
    crv: "Ed25519",
    members: ["crv", "kty", "x"],
    read: ({ x }) => Ed25519PublicKey.fromBytes(bytesOf(x)),
  },
  ES256: { kty: "EC", crv: "P-256", members: ["crv", "kty", "x", "y"], read: publicKeyOfJwk },
};

const algorithmOf = (jwk: JsonObject): TokenAlgorithm | undefined =>
  (Object.keys(kinds) as TokenAlgorithm[]).find(
    (alg) => kinds[alg].kty === jwk["kty"] && kinds[alg].crv === jwk["crv"],
  );

const bytesOf = (text: JsonValue | undefined): Uint8Array =>
  (typeof text === "string" && text.length <= 64 ? fromBase64Url(text) : undefined) ?? new Uint8Array();

/**
 * The thumbprint of a public key (RFC 7638, SHA-256) in base64url: a token's `kid`, or its `cnf.jkt`.
 *
 * @throws TypeError unless it is a JWK of Ed25519 or P-256
 */
export function thumbprint(jwk: object): string {
  const members = jwk as JsonObject;
  const alg = algorithmOf(members);
  if (alg === undefined) throw new TypeError("A thumbprint is of a JWK of Ed25519 or P-256.");
  const over = Object.fromEntries(kinds[alg].members.map((name) => [name, members[name] ?? null]));
  return toBase64Url(sha256(canonicalJson(over)));
}

/** A key, or why it is none that a token may be verified with: a plain half-sentence. */
export type ImportedIssuerKey =
  | { readonly key: IssuerKey; readonly problem?: undefined }
  | { readonly key?: undefined; readonly problem: string };

/**
 * Imports a key as an issuer publishes it (docs/protocol.md, section 8.3), strictly: kty and crv of one of the two
 * algorithms, alg and use that say so, coordinates of the right length, a point of the curve and, of Ed25519, none of
 * low order; its thumbprint is its kid. Never throws.
 */
export function importIssuerKey(jwk: JsonValue | undefined): ImportedIssuerKey {
  if (!isJsonObject(jwk)) return { problem: "it is no object" };
  const alg = algorithmOf(jwk);
  if (alg === undefined) return { problem: "it is neither a key of Ed25519 nor one of P-256" };
  if (jwk["alg"] !== alg) return { problem: `its alg is not ${alg}` };
  if (jwk["use"] !== "sig") return { problem: "its use is not sig" };
  if (Object.hasOwn(jwk, "d")) return { problem: "it is a private key" };
  const kid = jwk["kid"];
  if (typeof kid !== "string" || kid !== thumbprint(jwk)) return { problem: "its kid is not its thumbprint" };
  try {
    const key = kinds[alg].read(jwk);
    return { key: { kid, alg, verify: (message, signature) => key.verify(message, signature) } };
  } catch (error) {
    if (error instanceof AmeshError)
      return { problem: "it is not a point of its curve, or one of low order" };
    throw error;
  }
}

/**
 * Keys that are known from the start and never change: issuer's URL to JWK Set.
 *
 * @throws TypeError for a key that cannot be imported
 */
export function staticKeys(issuers: Readonly<Record<string, JwkSet>>): KeySource {
  const known = new Map<string, IssuerKey>();
  for (const [issuer, { keys }] of Object.entries(issuers)) {
    for (const jwk of keys) {
      const { key, problem } = importIssuerKey(jwk as unknown as JsonObject);
      if (key === undefined) throw new TypeError(`A key of ${issuer} cannot be used: ${problem}.`);
      known.set(nameOf(issuer, key.kid), key);
    }
  }
  return { find: (issuer, kid) => known.get(nameOf(issuer, kid)) };
}

/** No URL has a space. */
const nameOf = (issuer: string, kid: string): string => `${issuer} ${kid}`;
