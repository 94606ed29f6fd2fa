import { type JwsHeader, type PublicKey, sha256Hex } from "@authmesh/core";
import type { TokenClaims } from "../claims.js";

/** What the lasting steps found out about a token. */
export interface VerifiedToken {
  readonly claims: TokenClaims;
  readonly header: JwsHeader;
  /** The key that `cnf` names, once it has signed a request. */
  holder?: PublicKey;
}

/**
 * Tokens whose signature was found right and that may come again, so that it is checked once. Bounded: the one that
 * was used longest ago leaves first, and is checked again when it comes again. Known by SHA-256, so that no lookup
 * compares a token letter by letter.
 */
export class VerifiedTokens {
  readonly #most: number;
  readonly #known = new Map<string, VerifiedToken>();

  /** @param most how many are kept; 0 keeps none */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param seconds the present; what expired before is forgotten */
  find(token: string, seconds: number): VerifiedToken | undefined {
    if (this.#known.size === 0) return undefined;
    const digest = sha256Hex(token);
    const known = this.#known.get(digest);
    if (known === undefined) return undefined;
    this.#known.delete(digest);
    if (known.claims.exp < seconds) return undefined;
    this.#known.set(digest, known);
    return known;
  }

  keep(token: string, verified: VerifiedToken): void {
    if (this.#most === 0) return;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < this.#most) break;
      this.#known.delete(oldest);
    }
    this.#known.set(sha256Hex(token), verified);
  }

  forget(token: string): void {
    this.#known.delete(sha256Hex(token));
  }
}
