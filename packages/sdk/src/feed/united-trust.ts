import {
  type Failure,
  narrowScopes,
  type PublicKey,
  type Role,
  type Scopes,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import type { FeedState } from "@authmesh/oath/feed";

/** A copy of an account's feed. */
export interface AccountFeed {
  readonly state: FeedState;
  check(): Failure | undefined;
  onChange(listener: () => void): () => void;
}

/**
 * The local list and an account's feed, united (docs/protocol.md, section 9.4): who is in one of them is known, who was revoked
 * in one of them is revoked, who was in the feed and left it is out, and a feed that is too old lets nobody in, for a revocation
 * may have been missed.
 */
export class UnitedTrust implements TrustStore {
  readonly #local: TrustStore;
  readonly #feed: AccountFeed;

  constructor(local: TrustStore, feed: AccountFeed) {
    this.#local = local;
    this.#feed = feed;
  }

  check(): Failure | undefined {
    return this.#local.check() ?? this.#feed.check();
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#unite(this.#local.find(key, role), role, () => this.#feed.state.find(key));
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    const local = this.#local.findById(deviceId, role);
    return this.#unite(local, role, () => this.#feed.state.findById(deviceId));
  }

  isRevoked(deviceId: string): boolean {
    return this.#local.isRevoked(deviceId) || this.#feed.state.isRevoked(deviceId);
  }

  get audience(): readonly string[] {
    return this.#local.audience;
  }

  onChange(listener: () => void): () => void {
    const stops = [this.#local, this.#feed].map((each) => each.onChange(listener));
    return () => {
      for (const stop of stops) stop();
    };
  }

  #unite(
    local: TrustedDevice | undefined,
    role: Role,
    findInFeed: () => TrustedDevice | undefined,
  ): TrustedDevice | undefined {
    // Enrolled devices call; whom this machine calls is its own affair.
    if (role !== "controller") return local;
    const enrolled = findInFeed();
    if (local === undefined) return enrolled;
    const bound = enrolled ?? (this.#feed.state.hasEnded(local.deviceId) ? over : undefined);
    return bound === undefined ? local : new NarrowedDevice(local, bound);
  }
}

type Bound = Pick<TrustedDevice, "scopes" | "expiresAt" | "ended">;

/** What the feed says of a device that it had once: not when it ended, for this clock may be behind the authority's. */
const over: Bound = { scopes: {}, expiresAt: 0, ended: true };

/** A local entry that does no more, and lasts no longer, than the feed says of the same device. */
class NarrowedDevice implements TrustedDevice {
  readonly #local: TrustedDevice;
  readonly scopes: Scopes;
  readonly expiresAt?: number;
  readonly ended: boolean;

  constructor(local: TrustedDevice, enrolled: Bound) {
    this.#local = local;
    this.scopes = local.unscoped ? enrolled.scopes : narrowScopes(local.scopes, enrolled.scopes);
    const ends = [local.expiresAt, enrolled.expiresAt].filter((end) => end !== undefined);
    this.ended = enrolled.ended ?? false;
    if (ends.length > 0) this.expiresAt = Math.min(...ends);
  }

  get deviceId(): string {
    return this.#local.deviceId;
  }

  get publicKey(): PublicKey {
    return this.#local.publicKey;
  }

  get friendlyName(): string {
    return this.#local.friendlyName;
  }

  get role(): Role {
    return this.#local.role;
  }

  get status(): TrustedDevice["status"] {
    return this.#local.status;
  }

  get bound(): boolean {
    return this.#local.bound;
  }
}
