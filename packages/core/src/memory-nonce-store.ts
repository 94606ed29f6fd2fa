import { crypto } from "#crypto";
import { AmeshError } from "./errors.js";
import { NonceShard, type Owner } from "./internal/nonce-shard.js";
import type { NonceStore } from "./nonce-store.js";

export interface InMemoryNonceStoreOptions {
  /**
   * Nonces held at a time. At the cap an owner above its fair share is refused and the others go on, up to twice
   * this number. Default 1,000,000, about 100 MB.
   */
  readonly maxNonces?: number;
  /** Refuse what was stamped before this store was made. Default false. */
  readonly replayEpoch?: boolean;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly monotonic?: () => number;
}

const shards = 256;

/**
 * Remembers nonces in the memory of one process (docs/protocol.md, section 2, step 11).
 *
 * A nonce is kept as 128 bits of its SHA-256 in typed arrays, spread over 256 shards, so that neither growth nor the
 * garbage collector ever stops the process for long. Each shard keeps its entries in the order in which they
 * expire; an entry leaves when wall clock and monotonic clock agree that its time is over. A live one is never
 * evicted.
 *
 * Several processes need a shared store: this one sees only its own.
 */
export class InMemoryNonceStore implements NonceStore {
  readonly acceptsFrom?: number;
  readonly #maxNonces: number;
  readonly #now: () => number;
  readonly #monotonic: () => number;
  readonly #shards = Array.from({ length: shards }, () => new NonceShard());
  readonly #owners = new Map<string, Owner>();
  readonly #words = new Uint32Array(4);
  #size = 0;

  constructor(options: InMemoryNonceStoreOptions = {}) {
    const { maxNonces = 1_000_000 } = options;
    if (!Number.isInteger(maxNonces) || maxNonces < 1)
      throw new TypeError("maxNonces must be a positive integer.");
    this.#maxNonces = maxNonces;
    this.#now = options.now ?? Date.now;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    if (options.replayEpoch) this.acceptsFrom = Math.floor(this.#now() / 1000);
  }

  /** Nonces held now, expired ones that were not yet swept included. */
  get size(): number {
    return this.#size;
  }

  async checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean> {
    if (!(windowSeconds > 0 && Number.isFinite(windowSeconds))) {
      throw new TypeError("windowSeconds must be a positive number.");
    }
    const hash = crypto.sha256(nonce);
    const shard = this.#shards[hash[0] as number] as NonceShard;
    const wall = this.#now();
    const monotonic = this.#monotonic();
    this.#sweep(shard, wall, monotonic);

    const words = readWords(hash, this.#words);
    if (shard.has(words)) return false;
    const owner = this.#ownerOf(nonce);
    if (this.#size >= this.#maxNonces) this.#makeRoom(owner, wall, monotonic);
    shard.add(words, owner, wall + windowSeconds * 1000, monotonic + windowSeconds * 1000);
    this.#owners.set(owner.name, owner);
    owner.nonces++;
    this.#size++;
    return true;
  }

  #ownerOf(nonce: string): Owner {
    const name = nonce.slice(0, Math.max(0, nonce.lastIndexOf(":")));
    return this.#owners.get(name) ?? { name, nonces: 0 };
  }

  #makeRoom(owner: Owner, wall: number, monotonic: number): void {
    for (const shard of this.#shards) {
      this.#sweep(shard, wall, monotonic);
      if (this.#size < this.#maxNonces) return;
    }
    const fairShare = this.#maxNonces / Math.max(1, this.#owners.size);
    if (owner.nonces >= fairShare || this.#size >= 2 * this.#maxNonces)
      throw new AmeshError("replay_store_full");
  }

  #sweep(shard: NonceShard, wall: number, monotonic: number): void {
    shard.removeExpired(wall, monotonic, this.#forget);
  }

  readonly #forget = (owner: Owner): void => {
    this.#size--;
    if (--owner.nonces === 0) this.#owners.delete(owner.name);
  };
}

function readWords(hash: Uint8Array, words: Uint32Array): Uint32Array {
  for (let i = 0; i < 4; i++) {
    const at = i * 4;
    words[i] =
      ((hash[at] as number) << 24) |
      ((hash[at + 1] as number) << 16) |
      ((hash[at + 2] as number) << 8) |
      (hash[at + 3] as number);
  }
  return words;
}
