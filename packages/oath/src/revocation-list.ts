import { AmeshError } from "@authmesh/core";
import type {
  RevocableToken,
  Revocation,
  RevocationChange,
  RevocationKey,
  RevocationSource,
  RevocationSubject,
} from "./revocation.js";

export interface RevocationListOptions {
  /** Entries at a time. Default 2,000,000, about 500 MB. */
  readonly maxEntries?: number;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

/** A revocation list in the memory of one process. */
export interface RevocationList extends RevocationSource {
  find(token: RevocableToken): Revocation | undefined;
  /** In place of an entry for the same key. @throws AmeshError `revocation_unavailable` when the list is full */
  add(revocation: Revocation): void;
  /** @returns whether there was one */
  remove(key: RevocationKey): boolean;
  /** @throws AmeshError `revocation_unavailable` when the list is full */
  apply(change: RevocationChange): void;
  /** The entries that are in force. */
  snapshot(): Revocation[];
  /** All of the list at once: nobody sees a part of it. @throws AmeshError as `add`, and nothing was changed */
  replace(revocations: Iterable<Revocation>): void;
  /** Entries held, expired ones that were not yet swept included. */
  readonly size: number;
}

/** Looks at what was added takes two steps of the broom: one more than come, so that it gets round. */
const sweptPerAdd = 2;

type Entries = { readonly [By in RevocationSubject]: Map<string, Revocation> };

/**
 * Keeps revocations in memory. A question costs at most five look-ups, however long the list is (docs/protocol.md,
 * section 8.7). Entries leave some time after they expired; one that is in force never does.
 */
export function createRevocationList(options: RevocationListOptions = {}): RevocationList {
  return new MemoryRevocationList(options);
}

class MemoryRevocationList implements RevocationList {
  readonly #maxEntries: number;
  readonly #now: () => number;
  #issuers = new Map<string, Entries>();
  #size = 0;
  #broom = this.#sweeping();

  constructor({ maxEntries = 2_000_000, now = Date.now }: RevocationListOptions) {
    if (!Number.isInteger(maxEntries) || maxEntries < 1)
      throw new TypeError("maxEntries must be a positive integer.");
    this.#maxEntries = maxEntries;
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  find({ iss, sub, jti, kid, tenant }: RevocableToken): Revocation | undefined {
    const entries = this.#issuers.get(iss);
    if (entries === undefined) return undefined;
    return (
      this.#inForce(entries.jti.get(jti)) ??
      this.#inForce(entries.sub.get(sub)) ??
      this.#inForce(entries.kid.get(kid)) ??
      (tenant === undefined ? undefined : this.#inForce(entries.tenant.get(tenant)))
    );
  }

  add(revocation: Revocation): void {
    for (let step = 0; step < sweptPerAdd; step++) this.#sweep();
    const { issuer, by, value } = revocation;
    let entries = this.#issuers.get(issuer);
    if (!entries?.[by].has(value)) this.#makeRoom();
    if (entries === undefined) {
      entries = { sub: new Map(), jti: new Map(), kid: new Map(), tenant: new Map() };
      this.#issuers.set(issuer, entries);
    }
    if (!entries[by].has(value)) this.#size++;
    entries[by].set(value, revocation);
  }

  remove({ issuer, by, value }: RevocationKey): boolean {
    const there = this.#issuers.get(issuer)?.[by].delete(value) ?? false;
    if (there) this.#size--;
    return there;
  }

  apply(change: RevocationChange): void {
    if ("removed" in change) this.remove(change.removed);
    else this.add(change.revocation);
  }

  snapshot(): Revocation[] {
    return [...this.#all()].filter((each) => this.#inForce(each) !== undefined);
  }

  replace(revocations: Iterable<Revocation>): void {
    const other = new MemoryRevocationList({ maxEntries: this.#maxEntries, now: this.#now });
    for (const each of revocations) other.add(each);
    this.#issuers = other.#issuers;
    this.#size = other.#size;
    this.#broom = this.#sweeping();
  }

  #inForce(entry: Revocation | undefined): Revocation | undefined {
    if (entry?.expiresAt === undefined) return entry;
    return this.#now() < entry.expiresAt * 1000 ? entry : undefined;
  }

  #makeRoom(): void {
    if (this.#size < this.#maxEntries) return;
    for (const each of this.#all()) this.#dropExpired(each);
    if (this.#size < this.#maxEntries) return;
    throw new AmeshError(
      "revocation_unavailable",
      `The list holds ${this.#size} entries, and takes no more.`,
      {
        fix: "Raise maxEntries, and let entries expire.",
      },
    );
  }

  /** One step round the list. */
  #sweep(): void {
    if (this.#broom.next().done) this.#broom = this.#sweeping();
  }

  *#sweeping(): Generator<void> {
    for (const each of this.#all()) yield this.#dropExpired(each);
  }

  #dropExpired(entry: Revocation): void {
    if (this.#inForce(entry) === undefined) this.remove(entry);
  }

  *#all(): Generator<Revocation> {
    for (const entries of this.#issuers.values())
      for (const map of Object.values(entries)) yield* map.values();
  }
}
