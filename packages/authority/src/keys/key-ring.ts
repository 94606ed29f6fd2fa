import { AmeshError } from "@authmesh/core";
import {
  type IssuerKey,
  importIssuerKey,
  type JwkSet,
  type PublicJwk,
  type TokenAlgorithm,
  type TokenSigner,
} from "@authmesh/oath";
import type { AuthorityStore } from "../authority-store.js";
import type { KeySealing } from "./key-sealing.js";
import { newSigningKey, openSigningKey } from "./new-signing-key.js";
import { activeOf, maintained, rotated, secondsToWait } from "./rotation.js";
import type { SigningKey } from "./signing-key.js";

export interface KeyRingOptions {
  readonly store: Pick<AuthorityStore, "readKeys" | "changeKeys">;
  readonly sealing: KeySealing;
  /** Of keys that are made from now on. */
  readonly algorithm: TokenAlgorithm;
  /** How old an active key may become, in seconds. */
  readonly rotateAfter: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The authority's signing keys, in memory as the database last had them. */
export class KeyRing {
  readonly #options: KeyRingOptions;
  #keys: readonly SigningKey[] = [];
  #signer: TokenSigner | undefined;
  #published: JwkSet = { keys: [] };
  #verifying: ReadonlyMap<string, IssuerKey> = new Map();

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** Everything that is known of every key. */
  get keys(): readonly SigningKey[] {
    return this.#keys;
  }

  /** What verifiers fetch: every key but those that are gone. */
  get published(): JwkSet {
    return this.#published;
  }

  get hasSigner(): boolean {
    return this.#signer !== undefined;
  }

  /** @throws AmeshError `authority_not_ready` */
  get signer(): TokenSigner {
    if (this.#signer === undefined) throw new AmeshError("authority_not_ready", "There is no active key.");
    return this.#signer;
  }

  /** Signs with whichever key is the active one then; its members throw as `signer` does. */
  get activeSigner(): TokenSigner {
    const signer = () => this.signer;
    return {
      get publicJwk() {
        return signer().publicJwk;
      },
      get sign() {
        return signer().sign;
      },
    };
  }

  /** A published key. */
  find(kid: string): IssuerKey | undefined {
    return this.#verifying.get(kid);
  }

  /** Reads the keys again. Throws what the store does, and `key_mismatch`. */
  async refresh(): Promise<void> {
    this.#take(await this.#options.store.readKeys());
  }

  /**
   * Does what is due of making, rotating and forgetting keys; whichever replica comes first does it.
   *
   * @returns whether something was due: `refresh` takes it over
   */
  async maintain(): Promise<boolean> {
    const plan = this.#plan();
    if (maintained(this.#keys, plan) === undefined) return false;
    await this.#options.store.changeKeys((keys) => maintained(keys, plan));
    return true;
  }

  /**
   * Makes the next key the active one now.
   *
   * @param force also where verifiers may not know it yet; those fetch the keys again, once in a while
   * @throws AmeshError `rotation_too_soon`
   */
  async rotate({ force = false } = {}): Promise<void> {
    const plan = this.#plan();
    const keys = await this.#options.store.changeKeys((keys) => {
      const next = keys.find(({ state }) => state === "next");
      const seconds = next === undefined ? 0 : secondsToWait(next, plan.now);
      if (seconds > 0 && !force)
        throw new AmeshError(
          "rotation_too_soon",
          `The next signing key may sign in ${seconds} seconds: until then verifiers may not know it.`,
        );
      return next === undefined ? maintained(keys, plan) : rotated(keys, plan);
    });
    this.#take(keys);
  }

  #take(keys: readonly SigningKey[]): void {
    const active = activeOf(keys);
    if (active !== undefined && active.kid !== this.#signer?.publicJwk.kid)
      this.#signer = openSigningKey(active, this.#options.sealing);
    this.#keys = keys;
    const published = keys.filter(({ state }) => state !== "gone").map(({ publicJwk }) => publicJwk);
    this.#published = { keys: published };
    this.#verifying = new Map(published.map((jwk) => [jwk.kid, verifying(jwk)]));
  }

  #plan() {
    const { algorithm, sealing, rotateAfter } = this.#options;
    const now = Math.floor(this.#options.now() / 1000);
    return { now, rotateAfter, newKey: () => newSigningKey(algorithm, sealing, now) };
  }
}

function verifying(jwk: PublicJwk): IssuerKey {
  const { key, problem } = importIssuerKey({ ...jwk });
  if (key === undefined) throw new AmeshError("key_mismatch", `The signing key ${jwk.kid}: ${problem}.`);
  return key;
}
