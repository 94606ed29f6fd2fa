import type { Failure } from "./errors.js";
import type { PublicKey } from "./public-key.js";
import type { Scopes } from "./scopes.js";
import type { Role } from "./signable.js";

/** One device that this machine trusts, in one role. Entries are keyed by (device, role). */
export interface TrustedDevice {
  readonly deviceId: string;
  readonly publicKey: PublicKey;
  readonly friendlyName: string;
  readonly role: Role;
  /** Pending counts as unknown everywhere. */
  readonly status: "active" | "pending";
  /** Whether this device's requests must be bound to a host; never goes back to false. */
  readonly bound: boolean;
  readonly scopes: Scopes;
  /** That nobody said what it may do: its scopes are empty for want of any. */
  readonly unscoped?: boolean;
  /** Unix seconds. */
  readonly expiresAt?: number;
  /** That an account which this machine follows vouched for it once, and does so no more. */
  readonly ended?: boolean;
}

/**
 * Whom a verifier accepts: in memory, kept fresh. Every member is synchronous; one of them may read a file that
 * changed.
 */
export interface TrustStore {
  /** Notices changes. A failure means that nothing in the store may be trusted now. */
  check(): Failure | undefined;
  /** The active entry of a key in a role; `key` is the compressed point in standard base64. */
  find(key: string, role: Role): TrustedDevice | undefined;
  /**
   * The active entry of a device in a role, for proofs that name their signer by its id. Where a key is at hand,
   * `find` is to be asked: an id is 96 bits of the key.
   */
  findById(deviceId: string, role: Role): TrustedDevice | undefined;
  /** Whether the device was revoked here, even if no entry of it is left. */
  isRevoked(deviceId: string): boolean;
  /** The hosts this server answers to, as the sealed state names them, each as `normalizeHost` writes it. */
  readonly audience: readonly string[];
  /** Calls back after every change; returns the way to stop that. */
  onChange(listener: () => void): () => void;
}
