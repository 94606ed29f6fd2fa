import type { Signable } from "@authmesh/core";

/** How tokens are signed: Ed25519 (RFC 8037), or ECDSA on P-256 with SHA-256 (RFC 7518, 3.4). */
export type TokenAlgorithm = "EdDSA" | "ES256";

/** A public key as a JWK Set publishes it (RFC 7517). */
export type PublicJwk = { readonly kid: string; readonly alg: TokenAlgorithm; readonly use: "sig" } & (
  | { readonly kty: "OKP"; readonly crv: "Ed25519"; readonly x: string }
  | { readonly kty: "EC"; readonly crv: "P-256"; readonly x: string; readonly y: string }
);

export interface JwkSet {
  readonly keys: readonly PublicJwk[];
}

/** What mints: a key of the issuer, wherever it is kept. */
export interface TokenSigner {
  readonly publicJwk: PublicJwk;
  /** @returns 64 bytes: an Ed25519 signature, or raw r‖s */
  sign(signingInput: Signable): Promise<Uint8Array>;
}

/** A key of an issuer, imported once for many verifications. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: TokenAlgorithm;
  /** False for anything that is not a valid signature; never a throw. */
  verify(signingInput: Uint8Array, signature: Uint8Array): boolean;
}

/** Where a verifier finds the keys of the issuers it trusts. */
export interface KeySource {
  /**
   * Synchronous where the key is at hand.
   *
   * @throws AmeshError `issuer_unreachable` when nothing is known of the issuer's keys, or of this one, and it cannot
   *   be asked
   */
  find(issuer: string, kid: string): IssuerKey | undefined | Promise<IssuerKey | undefined>;
  /** Fetches the keys of every issuer, so that no caller waits for it. Rejects when one cannot be had. */
  preWarm?(): Promise<void>;
  close?(): void;
}
