import {
  AmeshError,
  Ed25519PrivateKey,
  type JsonObject,
  jwkOf,
  PrivateKey,
  PublicKey,
  type Signable,
  toBase64Url,
  toLowS,
} from "@authmesh/core";
import { importIssuerKey, thumbprint } from "./issuer-key.js";
import type { IssuerKey, PublicJwk, TokenSigner } from "./keys.js";

/**
 * Signs tokens with EdDSA.
 *
 * @param seed the 32 bytes of an Ed25519 private key; copied, so wipe them
 * @throws TypeError unless they are 32
 */
export function createEd25519Signer(seed: Uint8Array): TokenSigner {
  const key = Ed25519PrivateKey.fromSeed(seed);
  const jwk = { kty: "OKP", crv: "Ed25519", x: toBase64Url(key.publicKey.bytes) } as const;
  const publicJwk = { kid: thumbprint(jwk), alg: "EdDSA", use: "sig", ...jwk } as const;
  return { publicJwk, sign: async (signingInput) => key.sign(signingInput) };
}

/**
 * Signs tokens with ES256.
 *
 * @throws TypeError for what is no `PrivateKey` of core
 */
export function createP256Signer(key: PrivateKey): TokenSigner {
  if (!(key instanceof PrivateKey))
    throw new TypeError("createP256Signer takes a PrivateKey of @authmesh/core: PrivateKey.fromBytes(…).");
  return { publicJwk: publicJwkOf(key.publicKey), sign: async (signingInput) => key.sign(signingInput) };
}

/** A key that is kept elsewhere. */
export interface RemoteKey {
  /** Of P-256, or a JWK as `PublicJwk` has it. */
  readonly publicKey: PublicKey | PublicJwk;
  /** 64 bytes: an Ed25519 signature, or raw r‖s. What returns DER is read with core's `signatureFromDer`. */
  readonly sign: (signingInput: Signable) => Promise<Uint8Array>;
}

/**
 * Signs tokens with a key of a key store or a cloud's key service. What that returns is verified before it is given
 * out; `sign` throws `key_mismatch` when it does not fit the key, and what the key store throws.
 *
 * @throws TypeError for a key that no verifier would take
 */
export function createRemoteSigner({ publicKey, sign }: RemoteKey): TokenSigner {
  const publicJwk = publicKey instanceof PublicKey ? publicJwkOf(publicKey) : publicKey;
  const { key, problem } = importIssuerKey(publicJwk as unknown as JsonObject);
  if (key === undefined) throw new TypeError(`publicKey cannot be used: ${problem}.`);
  return {
    publicJwk,
    async sign(signingInput) {
      const signature = inOneForm(key, await sign(signingInput));
      if (key.verify(signingInput, signature)) return signature;
      throw new AmeshError("key_mismatch", "What the key store signed does not fit the key of the tokens.");
    },
  };
}

/** Many verifiers insist on low S. */
const inOneForm = ({ alg }: IssuerKey, signature: Uint8Array): Uint8Array =>
  alg === "ES256" && signature.length === 64 ? toLowS(signature) : signature;

/** As it is published: a member of the issuer's JWK Set. */
function publicJwkOf(key: PublicKey): PublicJwk {
  const jwk = jwkOf(key);
  return { kid: thumbprint(jwk), alg: "ES256", use: "sig", ...jwk };
}
