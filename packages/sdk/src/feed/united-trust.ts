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
 * in one of them is revoked, and a feed that is too old lets nobody in, for a revocation may have been missed.
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
    return unite(this.#local.find(key, role), role, () => this.#feed.state.find(key));
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return unite(this.#local.findById(deviceId, role), role, () => this.#feed.state.findById(deviceId));
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
}

function unite(
  local: TrustedDevice | undefined,
  role: Role,
  findInFeed: () => TrustedDevice | undefined,
): TrustedDevice | undefined {
  // Enrolled devices call; whom this machine calls is its own affair.
  const enrolled = role === "controller" ? findInFeed() : undefined;
  if (local === undefined || enrolled === undefined) return local ?? enrolled;
  return new NarrowedDevice(local, enrolled);
}

/** A local entry that does no more, and lasts no longer, than the feed says of the same device. */
class NarrowedDevice implements TrustedDevice {
  readonly #local: TrustedDevice;
  readonly scopes: Scopes;
  readonly expiresAt?: number;

  constructor(local: TrustedDevice, enrolled: TrustedDevice) {
    this.#local = local;
    this.scopes = local.unscoped ? enrolled.scopes : narrowScopes(local.scopes, enrolled.scopes);
    const ends = [local.expiresAt, enrolled.expiresAt].filter((end) => end !== undefined);
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
