import { AmeshError, failure, quoteForeign } from "@authmesh/core";
import { type ClaimsToMint, type MintedToken, mintToken, type RevocationSubject } from "@authmesh/oath";
import type { Revocable } from "../authority-store.js";
import type { Services } from "../services.js";

/** What a token may be revoked by, as far as it is known. */
export const revocables = (
  token: { readonly [By in RevocationSubject]?: string | undefined },
): readonly Revocable[] =>
  (["sub", "jti", "kid", "tenant"] as const).flatMap((by) => {
    const value = token[by];
    return value === undefined ? [] : [{ by, value }];
  });

/**
 * Mints a token with the active key, unless its subject, its tenant or that key is revoked (docs/protocol.md,
 * section 8.9). The database is asked, so that a revocation holds from its answer on, at every replica.
 *
 * @param caller a subject of whoever asks, who gets nothing while that is revoked
 * @throws AmeshError `revoked` (403), `signing_key_revoked`, `authority_not_ready`, `database_unavailable`, and what
 * `mintToken` throws
 */
export async function issueToken(
  { issuer, keys, store, now }: Pick<Services, "issuer" | "keys" | "store" | "now">,
  claims: ClaimsToMint,
  ttlSeconds: number,
  caller?: string,
): Promise<MintedToken> {
  const { signer } = keys;
  const { kid } = signer.publicJwk;
  const { sub, tenant } = claims;
  const asked = [...revocables({ sub, tenant, kid }), ...revocables({ sub: caller })];
  const found = await store.findRevoked(asked, Math.floor(now() / 1000));
  if (found?.by === "kid") throw new AmeshError("signing_key_revoked", `The signing key ${kid} is revoked.`);
  if (found !== undefined) throw new AmeshError(refusal(found));
  return mintToken(claims, { issuer, signer, ttlSeconds, now });
}

/** Of a caller that is known, and may not have this: other than for a verifier of tokens. */
const refusal = ({ by, value }: Revocable) => ({
  ...failure(
    "revoked",
    `The ${by} ${quoteForeign(value, 300)} is revoked.`,
    "Ask who runs the authority: `amesh revoke-token --list` tells the reason, and --remove takes it back.",
  ),
  status: 403,
});
