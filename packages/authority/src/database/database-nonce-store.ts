import { AmeshError, type NonceStore } from "@authmesh/core";
import type { AuthorityStore } from "../authority-store.js";

/**
 * Remembers nonces in the authority's database, so that a request is accepted once, whichever replica it comes to and
 * whether or not it was restarted. How many one caller can leave there is bounded by its rate limit.
 */
export class DatabaseNonceStore implements NonceStore {
  readonly #store: Pick<AuthorityStore, "recordNonce">;
  readonly #now: () => number;
  #works = true;

  /** @param now milliseconds since the epoch */
  constructor(store: Pick<AuthorityStore, "recordNonce">, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Whether the last write succeeded. While it does not, no request can be accepted. */
  get works(): boolean {
    return this.#works;
  }

  /** Writes what is over at once. Rejects with nothing: `works` tells. */
  async tryOut(): Promise<void> {
    const now = this.#now();
    await this.#record("try-out", now, now).catch(() => {});
  }

  async checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean> {
    if (!(windowSeconds > 0 && Number.isFinite(windowSeconds)))
      throw new TypeError("windowSeconds must be a positive number.");
    const now = this.#now();
    try {
      return await this.#record(nonce, now, now + Math.ceil(windowSeconds * 1000));
    } catch (cause) {
      if (!(cause instanceof AmeshError)) throw cause;
      throw new AmeshError("replay_store_unavailable", cause.message, { fix: cause.fix, cause });
    }
  }

  async #record(nonce: string, now: number, until: number): Promise<boolean> {
    try {
      const isFresh = await this.#store.recordNonce(nonce, now, until);
      this.#works = true;
      return isFresh;
    } catch (error) {
      this.#works = false;
      throw error;
    }
  }
}
