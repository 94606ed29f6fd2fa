import { randomBytes } from "node:crypto";
import { PrivateKey } from "@authmesh/core";
import { createEd25519Signer, createP256Signer, type TokenAlgorithm, type TokenSigner } from "@authmesh/oath";
import type { KeySealing } from "./key-sealing.js";
import type { SigningKey } from "./signing-key.js";

/** How the keys of each algorithm are made and read; a private key is 32 bytes. */
const kinds: Readonly<
  Record<TokenAlgorithm, { generate(): Uint8Array; signer(secret: Uint8Array): TokenSigner }>
> = {
  EdDSA: { generate: () => randomBytes(32), signer: createEd25519Signer },
  ES256: {
    generate: () => PrivateKey.generate().export(),
    signer: (secret) => createP256Signer(PrivateKey.fromBytes(secret)),
  },
};

/** Those that an authority may sign with. */
export const tokenAlgorithms = Object.keys(kinds) as readonly TokenAlgorithm[];

/** Makes a key that is to sign later. @param now Unix seconds */
export function newSigningKey(
  algorithm: TokenAlgorithm,
  sealing: Pick<KeySealing, "seal">,
  now: number,
): SigningKey {
  const { generate, signer } = kinds[algorithm];
  const secret = generate();
  try {
    const { publicJwk } = signer(secret);
    const { kid } = publicJwk;
    return { kid, state: "next", since: now, createdAt: now, publicJwk, sealed: sealing.seal(kid, secret) };
  } finally {
    secret.fill(0);
  }
}

/** @throws AmeshError `key_mismatch` when it does not open, or opens as another key */
export function openSigningKey(
  { kid, publicJwk, sealed = "" }: Pick<SigningKey, "kid" | "publicJwk" | "sealed">,
  sealing: Pick<KeySealing, "open">,
): TokenSigner {
  const secret = sealing.open(kid, sealed);
  try {
    return kinds[publicJwk.alg].signer(secret);
  } finally {
    secret.fill(0);
  }
}
