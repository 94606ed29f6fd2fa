import { createJwksSource } from "@authmesh/oath";
import type { Provider } from "./provider.js";
import { importProviderKey, type ProviderKey } from "./provider-key.js";

/** Where the keys of OIDC providers are found. */
export interface ProviderKeys {
  /**
   * Synchronous where the key is at hand.
   *
   * @throws AmeshError `issuer_unreachable` when nothing is known of the provider's keys and it cannot be asked
   */
  find(issuer: string, kid: string): ProviderKey | undefined | Promise<ProviderKey | undefined>;
  close?(): void;
}

export interface ProviderKeysOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * The keys of the providers, fetched from where each one's OpenID configuration says, or from its `jwksUri`
 * (docs/protocol.md, section 8.7).
 *
 * @throws TypeError for URLs that keys may not come from
 */
export const createProviderKeys = (
  providers: readonly Provider[],
  { now }: ProviderKeysOptions,
): ProviderKeys =>
  createJwksSource({
    issuers: providers.map(({ issuer, jwksUri, jwksOrigins = [] }) =>
      jwksUri === undefined ? { issuer, discover: true, jwksOrigins } : { issuer, jwksUri },
    ),
    importKey: (jwk) => {
      const key = importProviderKey(jwk);
      return key === undefined ? { problem: "it is of no kind that providers sign with" } : { key };
    },
    now,
  });
