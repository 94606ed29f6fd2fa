import type { AllowListDraft, AllowListState } from "@authmesh/keystore";
import type { Revocation } from "@authmesh/oath";
import type { Area } from "./database/tables.js";
import type { SigningKey } from "./keys/signing-key.js";
import type { StateEvent } from "./state-event.js";

/** How often each area has changed: who sees a new number reads the area again. */
export type Generations = Readonly<Record<Area, number>>;

/** What an entry of the revocation list is about. */
export type Revocable = Pick<Revocation, "by" | "value">;

/** One change of the revocation list (docs/protocol.md, section 8.7). */
export interface RevocationChange extends Omit<Revocation, "issuer"> {
  readonly generation: number;
  readonly removed: boolean;
}

/** An entry as it is in the list. */
export type StandingRevocation = Omit<RevocationChange, "removed">;

/** Which entry is taken off the list, by whom, and when. */
export type RevocationRemoval = Pick<Revocation, "by" | "value" | "actor" | "at">;

export interface RevocationPage {
  /** Of the whole list. */
  readonly last: number;
  readonly changes: readonly RevocationChange[];
}

/**
 * What the replicas of an authority share (docs/protocol.md, section 8.9). Each `change…` is one transaction: read,
 * changed by a function that neither waits nor asks anybody, written; one writer of an area at a time.
 *
 * Everything rejects with AmeshError `database_unavailable` when the database cannot be used.
 */
export interface AuthorityStore {
  generations(): Promise<Generations>;

  /** @throws AmeshError `allow_list_damaged` */
  readDevices(): Promise<AllowListState>;
  /** Throws what `change` throws, and writes nothing then. */
  changeDevices<T>(change: (draft: AllowListDraft) => T): Promise<T>;

  readKeys(): Promise<readonly SigningKey[]>;
  /** @param change gives every key as it is to be, or undefined to leave them */
  changeKeys(
    change: (keys: readonly SigningKey[]) => readonly SigningKey[] | undefined,
  ): Promise<readonly SigningKey[]>;

  /**
   * The last changes after a generation, in their order.
   *
   * @param from the generation that this reading began with: only what was dropped after that one is missed. Default: `generation`
   * @returns undefined where changes were dropped that the reader misses
   */
  revocationsAfter(generation: number, limit: number, from?: number): Promise<RevocationPage | undefined>;
  /**
   * Writes an operator's entry over that of the same `by` and `value`, if there is one, which it never ends sooner. What the
   * revocation of an enrollment put there stays beside it, here and in what follows.
   *
   * @returns what stands now
   */
  addRevocation(entry: Omit<Revocation, "issuer">): Promise<StandingRevocation>;
  /** Whether there is an operator's entry of this `by` and `value`. */
  hasRevocation(entry: Pick<Revocation, "by" | "value">): Promise<boolean>;
  /** @returns the generation of the removal; undefined when there is no such entry of an operator */
  removeRevocation(removal: RevocationRemoval): Promise<number | undefined>;
  /** One of these that an entry in force revokes. @param now Unix seconds */
  findRevoked(named: readonly Revocable[], now: number): Promise<Revocable | undefined>;
  /** Drops entries and removals that nobody needs any more. @param now Unix seconds */
  forgetRevocations(now: number): Promise<void>;

  /**
   * Records a nonce until the Unix millisecond `until`; false when it is there already.
   *
   * @param now Unix milliseconds
   */
  recordNonce(nonce: string, now: number, until: number): Promise<boolean>;
  /** Forgets nonces that are over. @param now Unix milliseconds */
  forgetNonces(now: number): Promise<void>;

  /** What was changed of devices, revocations and the active key, and told no audit yet; the oldest first. */
  untold(): Promise<readonly StateEvent[]>;
  /** An audit has it. */
  forgetTold(event: StateEvent): Promise<void>;

  /** The value of a setting; the first caller's `value` stays for ever. */
  settle(name: string, value: string): Promise<string>;

  close(): Promise<void>;
}
