import {
  AmeshError,
  type Failure,
  failure,
  type Role,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { type AllowListDraft, type AllowListState, DeviceIndex, type DeviceList } from "@authmesh/keystore";
import type { AuthorityStore } from "../authority-store.js";

/** Older than this, what is in memory may let a device in that was revoked elsewhere. In milliseconds. */
const longestUnseenMs = 5000;

/**
 * The devices that may call the authority: in the database, and in the memory of each replica (docs/protocol.md,
 * section 8.9). Somebody has to call `refresh` when the database's generation rises, and `seen` when it has not.
 * While the database cannot be asked, nobody is known after five seconds.
 */
export class SharedDevices implements TrustStore, DeviceList {
  readonly #store: Pick<AuthorityStore, "readDevices" | "changeDevices">;
  readonly #monotonic: () => number;
  readonly #listeners = new Set<() => void>();
  #index = new DeviceIndex(undefined);
  #failure: Failure | undefined = failure("authority_not_ready", "The list of devices was not read yet.");
  #seenAt = Number.NEGATIVE_INFINITY;
  /** The authority has it from its configuration. */
  readonly audience: readonly string[] = [];

  /** @param monotonic milliseconds that only grow */
  constructor(
    store: Pick<AuthorityStore, "readDevices" | "changeDevices">,
    monotonic: () => number = () => performance.now(),
  ) {
    this.#store = store;
    this.#monotonic = monotonic;
  }

  check(): Failure | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#monotonic() - this.#seenAt < longestUnseenMs) return undefined;
    return failure("database_unavailable", "The list of devices was not compared with the database of late.");
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#index.byKey[role].get(key);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#index.byId[role].get(deviceId);
  }

  isRevoked(deviceId: string): boolean {
    return this.check() !== undefined || this.#index.revoked.has(deviceId);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get state(): AllowListState {
    const problem = this.check();
    if (problem !== undefined || this.#index.contents === undefined)
      throw new AmeshError(problem ?? "authority_not_ready");
    return this.#index.contents;
  }

  async update<T>(change: (draft: AllowListDraft) => T): Promise<T> {
    const result = await this.#store.changeDevices(change);
    await this.refresh();
    return result;
  }

  /** Nothing has changed since the last time. */
  seen(): void {
    this.#seenAt = this.#monotonic();
  }

  /** Reads the list again. A list that is damaged is believed no more. Throws what the store does. */
  async refresh(): Promise<void> {
    try {
      this.#index = new DeviceIndex(await this.#store.readDevices());
      this.#failure = undefined;
      this.seen();
    } catch (error) {
      if (error instanceof AmeshError && error.code === "allow_list_damaged") this.#failure = error.failure;
      throw error;
    } finally {
      for (const listener of this.#listeners) listener();
    }
  }
}
