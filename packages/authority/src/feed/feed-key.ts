import { AmeshError } from "@authmesh/core";
import type { PublicJwk, TokenSigner } from "@authmesh/oath";
import { signFeedRotation } from "@authmesh/oath/feed";
import type { KeySealing } from "../keys/key-sealing.js";
import { newSigningKey, openSigningKey } from "../keys/new-signing-key.js";
import type { FeedStore } from "./feed-store.js";

/** A key of the trust feed as the database has it. */
export interface FeedKey {
  /** Of Ed25519. */
  readonly publicJwk: PublicJwk;
  /** The private key under the sealing key; gone once another one signs. */
  readonly sealed?: string;
  /** The statement by which the key before handed over to this one. */
  readonly rotation?: string;
}

export interface FeedKeysOptions {
  readonly store: Pick<FeedStore, "readKeys" | "changeKeys">;
  readonly sealing: KeySealing;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What verifiers are shown (docs/protocol.md, section 9.3). */
export interface PublishedFeedKeys {
  readonly key: PublicJwk;
  readonly first: PublicJwk;
  readonly rotations: readonly string[];
}

/** Which of an authority's feed keys it is. */
export interface FeedKeyPosition {
  readonly thumbprint: string;
  /** Of the rotation that led there; 0 for the first key. */
  readonly seq: number;
}

/** The key that signs the trust feeds, and how it came to be (docs/protocol.md, section 9.2). Replicas share it. */
export class FeedKeys {
  readonly #options: FeedKeysOptions;
  #keys: readonly FeedKey[] = [];
  #signer: TokenSigner | undefined;

  constructor(options: FeedKeysOptions) {
    this.#options = options;
  }

  /** @throws AmeshError `authority_not_ready` */
  get signer(): TokenSigner {
    if (this.#signer === undefined) throw new AmeshError("authority_not_ready", "There is no feed key.");
    return this.#signer;
  }

  /** What verifiers pin; undefined where there is no key yet. */
  get thumbprint(): string | undefined {
    return this.#signer?.publicJwk.kid;
  }

  /** Throws what `signer` does. */
  get position(): FeedKeyPosition {
    return { thumbprint: this.signer.publicJwk.kid, seq: this.#keys.length - 1 };
  }

  /** Whether it is the present key, or one that led there. */
  includes(thumbprint: string): boolean {
    return this.#keys.some(({ publicJwk }) => publicJwk.kid === thumbprint);
  }

  /** The present key, and every rotation that led to it from the first, which is there for who knows its thumbprint alone. */
  get published(): PublishedFeedKeys {
    const rotations = this.#keys.flatMap(({ rotation }) => (rotation === undefined ? [] : [rotation]));
    const key = this.signer.publicJwk;
    return { key, first: this.#keys[0]?.publicJwk ?? key, rotations };
  }

  /** Reads the keys again. Throws what the store does, and `key_mismatch`. */
  async refresh(): Promise<void> {
    this.#take(await this.#options.store.readKeys());
  }

  /** Makes the first key where there is none. Throws what `refresh` does. */
  async create(): Promise<void> {
    const { store } = this.#options;
    const known = await store.readKeys();
    this.#take(
      known.length > 0
        ? known
        : await store.changeKeys(async (keys) => (keys.length === 0 ? this.#make() : undefined)),
    );
  }

  /**
   * Lets another key sign from now on; verifiers follow by the statement that both keys sign.
   *
   * @param issuer URL of the authority, as verifiers name it
   */
  async rotate(issuer: string): Promise<void> {
    const keys = await this.#options.store.changeKeys(async (keys) => {
      const present = keys.at(-1);
      if (present === undefined) return this.#make();
      const next = this.#make();
      const rotation = await signFeedRotation(this.#open(present), this.#open(next), {
        iss: issuer,
        notBefore: this.#seconds(),
        seq: keys.length,
      });
      return { ...next, rotation };
    });
    this.#take(keys);
  }

  #take(keys: readonly FeedKey[]): void {
    const last = keys.at(-1);
    if (last !== undefined && last.publicJwk.kid !== this.thumbprint) this.#signer = this.#open(last);
    this.#keys = keys;
  }

  #make(): FeedKey {
    const { publicJwk, sealed } = newSigningKey("EdDSA", this.#sealing, this.#seconds());
    return { publicJwk, ...(sealed === undefined ? {} : { sealed }) };
  }

  #open({ publicJwk, sealed }: FeedKey): TokenSigner {
    return openSigningKey({ kid: publicJwk.kid, publicJwk, sealed }, this.#sealing);
  }

  /** What was sealed for the feed opens for nothing else. */
  get #sealing(): Pick<KeySealing, "seal" | "open"> {
    const { sealing } = this.#options;
    return {
      seal: (name, secret) => sealing.seal(`feed ${name}`, secret),
      open: (name, sealed) => sealing.open(`feed ${name}`, sealed),
    };
  }

  #seconds(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}
