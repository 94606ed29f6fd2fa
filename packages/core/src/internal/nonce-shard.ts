const none = -1;
/** How long to leave an entry alone that the wall clock still holds, in milliseconds: that clock may come back. */
const recheckAfter = 10_000;

/** Whoever a nonce belongs to: what stands before its last colon. */
export interface Owner {
  readonly name: string;
  nonces: number;
}

/**
 * A set of 128-bit hashes in typed arrays: buckets of chained slots, and beside them a heap of the same slots by
 * expiry. Both grow by doubling, which for one of many shards is a matter of microseconds.
 */
export class NonceShard {
  #capacity = 16;
  #buckets = new Int32Array(this.#capacity).fill(none);
  #next = new Int32Array(this.#capacity);
  #words = new Uint32Array(this.#capacity * 4);
  #wallExpiry = new Float64Array(this.#capacity);
  #monotonicExpiry = new Float64Array(this.#capacity);
  #heap = new Int32Array(this.#capacity);
  #owners: (Owner | undefined)[] = [];
  #size = 0;
  #used = 0;
  #free = none;

  has(hash: Uint32Array): boolean {
    for (
      let slot = this.#buckets[this.#bucketOf(hash)] as number;
      slot !== none;
      slot = this.#next[slot] as number
    ) {
      const at = slot * 4;
      if (
        this.#words[at] === hash[0] &&
        this.#words[at + 1] === hash[1] &&
        this.#words[at + 2] === hash[2] &&
        this.#words[at + 3] === hash[3]
      ) {
        return true;
      }
    }
    return false;
  }

  /** Adds a hash, four words, that is not in the set. Times in milliseconds of either clock. */
  add(hash: Uint32Array, owner: Owner, wallExpiry: number, monotonicExpiry: number): void {
    if (this.#size === this.#capacity) this.#grow();
    const slot = this.#free === none ? this.#used++ : this.#free;
    if (slot === this.#free) this.#free = this.#next[slot] as number;
    for (let i = 0; i < 4; i++) this.#words[slot * 4 + i] = hash[i] as number;
    this.#owners[slot] = owner;
    this.#wallExpiry[slot] = wallExpiry;
    this.#monotonicExpiry[slot] = monotonicExpiry;
    this.#link(slot);
    this.#siftUp(this.#size++, slot);
  }

  /** Removes what both clocks say has expired, earliest first, and names the owner of each. */
  removeExpired(wall: number, monotonic: number, removed: (owner: Owner) => void): void {
    while (this.#size > 0) {
      const slot = this.#heap[0] as number;
      if ((this.#monotonicExpiry[slot] as number) > monotonic) return;
      const left = (this.#wallExpiry[slot] as number) - wall;
      if (left > 0) {
        // The wall clock went back: its timestamps will be acceptable again, so the entry waits for it.
        this.#monotonicExpiry[slot] = monotonic + Math.min(left, recheckAfter);
        this.#siftDown(0, slot);
        continue;
      }
      this.#unlink(slot);
      this.#siftDown(0, this.#heap[--this.#size] as number);
      removed(this.#owners[slot] as Owner);
      this.#owners[slot] = undefined;
      this.#next[slot] = this.#free;
      this.#free = slot;
    }
  }

  #bucketOf(hash: Uint32Array): number {
    return (hash[1] as number) & (this.#capacity - 1);
  }

  #link(slot: number): void {
    const bucket = (this.#words[slot * 4 + 1] as number) & (this.#capacity - 1);
    this.#next[slot] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = slot;
  }

  #unlink(slot: number): void {
    const bucket = (this.#words[slot * 4 + 1] as number) & (this.#capacity - 1);
    if (this.#buckets[bucket] === slot) {
      this.#buckets[bucket] = this.#next[slot] as number;
      return;
    }
    let before = this.#buckets[bucket] as number;
    while (this.#next[before] !== slot) before = this.#next[before] as number;
    this.#next[before] = this.#next[slot] as number;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#next = copyInto(new Int32Array(this.#capacity), this.#next);
    this.#words = copyInto(new Uint32Array(this.#capacity * 4), this.#words);
    this.#wallExpiry = copyInto(new Float64Array(this.#capacity), this.#wallExpiry);
    this.#monotonicExpiry = copyInto(new Float64Array(this.#capacity), this.#monotonicExpiry);
    this.#heap = copyInto(new Int32Array(this.#capacity), this.#heap);
    this.#buckets = new Int32Array(this.#capacity).fill(none);
    for (let slot = 0; slot < this.#used; slot++) this.#link(slot);
  }

  #siftUp(position: number, slot: number): void {
    const expiry = this.#monotonicExpiry[slot] as number;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent] as number;
      if ((this.#monotonicExpiry[above] as number) <= expiry) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = slot;
  }

  #siftDown(position: number, slot: number): void {
    const expiry = this.#monotonicExpiry[slot] as number;
    let at = position;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#expiryAt(child + 1) < this.#expiryAt(child)) child++;
      if (this.#expiryAt(child) >= expiry) break;
      this.#heap[at] = this.#heap[child] as number;
      at = child;
    }
    this.#heap[at] = slot;
  }

  #expiryAt(position: number): number {
    return this.#monotonicExpiry[this.#heap[position] as number] as number;
  }
}

function copyInto<T extends Int32Array | Uint32Array | Float64Array>(larger: T, smaller: T): T {
  larger.set(smaller);
  return larger;
}
