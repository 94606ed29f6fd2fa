import { createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import type { JsonObject } from "@authmesh/core";

/** How OIDC providers sign. No HMAC, and no `none`: whoever knows a public key could sign with it. */
export type ProviderAlgorithm = "RS256" | "ES256" | "EdDSA";

/** A key of an OIDC provider, good for its one algorithm. */
export interface ProviderKey {
  readonly kid: string;
  readonly alg: ProviderAlgorithm;
  /** False for anything that is not a valid signature; never a throw. */
  verify(signingInput: Uint8Array, signature: Uint8Array): boolean;
}

interface Scheme {
  readonly alg: ProviderAlgorithm;
  readonly members: readonly string[];
  readonly fits: (key: KeyObject) => boolean;
  readonly verify: ProviderKeyVerify;
}

type ProviderKeyVerify = (key: KeyObject, input: Uint8Array, signature: Uint8Array) => boolean;

/** By `kty` and `crv`. */
const schemes: Readonly<Record<string, Scheme>> = {
  RSA: {
    alg: "RS256",
    members: ["n", "e"],
    // A larger key, or exponent, makes each verification slow.
    fits: ({ asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} }) =>
      modulusLength >= 2048 && modulusLength <= 8192 && publicExponent >= 3n && publicExponent < 2n ** 32n,
    verify: (key, input, signature) => verify("RSA-SHA256", input, key, signature),
  },
  "EC P-256": {
    alg: "ES256",
    members: ["crv", "x", "y"],
    fits: () => true,
    verify: (key, input, signature) => verify("SHA256", input, { key, dsaEncoding: "ieee-p1363" }, signature),
  },
  "OKP Ed25519": {
    alg: "EdDSA",
    members: ["crv", "x"],
    fits: () => true,
    verify: (key, input, signature) => verify(null, input, key, signature),
  },
};

/** A key of a provider's JWK Set (RFC 7517), undefined for one that no token may be signed with. */
export function importProviderKey(jwk: JsonObject): ProviderKey | undefined {
  const { kty, crv, kid, alg, use, key_ops: operations } = jwk;
  const kind = crv === undefined ? kty : `${String(kty)} ${String(crv)}`;
  const scheme = typeof kind === "string" && Object.hasOwn(schemes, kind) ? schemes[kind] : undefined;
  if (scheme === undefined || typeof kid !== "string" || kid === "" || kid.length > 256) return undefined;
  if (alg !== undefined && alg !== scheme.alg) return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify")))
    return undefined;
  const key = importKey(jwk, scheme);
  if (key === undefined) return undefined;
  return {
    kid,
    alg: scheme.alg,
    verify(signingInput, signature) {
      try {
        return scheme.verify(key, signingInput, signature);
      } catch {
        return false;
      }
    },
  };
}

function importKey(jwk: JsonObject, { members, fits }: Scheme): KeyObject | undefined {
  // Only what a public key has: a set that shows private parts shows them to nobody here.
  const named = ["kty", ...members].map((name) => [name, jwk[name]] as const);
  if (!named.every(([, value]) => typeof value === "string")) return undefined;
  try {
    const key = createPublicKey({ key: Object.fromEntries(named) as JsonWebKey, format: "jwk" });
    return fits(key) ? key : undefined;
  } catch {
    return undefined;
  }
}
