/** Things that live equally long, in the order in which they end: expiry looks at nothing that stays. */
export class ExpiryQueue<Item> {
  readonly #deadlines = new Map<Item, number>();
  readonly #life: number;

  /** @param life milliseconds */
  constructor(life: number) {
    this.#life = life;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  has(item: Item): boolean {
    return this.#deadlines.has(item);
  }

  /** Begins an item's life; one that is in the queue already begins anew. */
  add(item: Item, now: number): void {
    this.#deadlines.delete(item);
    this.#deadlines.set(item, now + this.#life);
  }

  delete(item: Item): boolean {
    return this.#deadlines.delete(item);
  }

  /** Takes out what has lived its time. */
  takeExpired(now: number): Item[] {
    const expired: Item[] = [];
    for (const [item, deadline] of this.#deadlines) {
      if (deadline > now) break;
      this.#deadlines.delete(item);
      expired.push(item);
    }
    return expired;
  }
}
