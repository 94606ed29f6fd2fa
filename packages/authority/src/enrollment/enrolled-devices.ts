import {
  type Failure,
  failure,
  PublicKey,
  type Role,
  type Scopes,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { type Enrollment, hasLapsed } from "./enrollment.js";

/** Older than this, what is in memory may let a device in that was revoked elsewhere. In milliseconds. */
const longestUnseenMs = 5000;

/** A device as a caller of the authority, with the enrollment that lets it in. */
export class EnrolledDevice implements TrustedDevice {
  readonly enrollment: Enrollment;
  readonly role = "controller";
  readonly status = "active";
  readonly bound = true;
  readonly expiresAt?: number;
  #publicKey: PublicKey | undefined;

  constructor(enrollment: Enrollment) {
    this.enrollment = enrollment;
    if (enrollment.expiresAt !== undefined) this.expiresAt = enrollment.expiresAt;
  }

  get deviceId(): string {
    return this.enrollment.deviceId;
  }

  get friendlyName(): string {
    const { account, appName, deviceName } = this.enrollment;
    return `${account} ${appName}/${deviceName}`.slice(0, 64);
  }

  get scopes(): Scopes {
    return this.enrollment.scopes;
  }

  /** Imported on first use: that costs 50 µs, and most devices of a long list do not call. */
  get publicKey(): PublicKey {
    this.#publicKey ??= PublicKey.fromBase64(this.enrollment.publicKey);
    return this.#publicKey;
  }
}

export interface EnrolledDevicesOptions {
  readonly store: LiveEnrollments;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly monotonic?: () => number;
}

/** Enrollments that are approved and not past their end. Times are Unix seconds. */
export interface LiveEnrollments {
  readLive(now: number): Promise<readonly Enrollment[]>;
  countLive(now: number): Promise<number>;
}

/**
 * The approved enrollments of all accounts, as callers of the authority (docs/protocol.md, section 10.7): in the
 * database, and in the memory of each replica. Somebody has to `apply` each change that is seen, and then to call `look`
 * when something changed in the database and `seen` when nothing has. While the database cannot be asked, nobody is
 * known after five seconds.
 */
export class EnrolledDevices implements TrustStore {
  readonly #options: Required<EnrolledDevicesOptions>;
  readonly #listeners = new Set<() => void>();
  /** By id of the enrollment: its key may change. */
  readonly #live = new Map<string, EnrolledDevice>();
  readonly #byId = new Map<string, EnrolledDevice>();
  readonly #byKey = new Map<string, EnrolledDevice>();
  /** Who was known to this process and is no more: a request of theirs may be under way. */
  readonly #left = new Set<string>();
  #seenAt = Number.NEGATIVE_INFINITY;
  /** The authority has it from its configuration. */
  readonly audience: readonly string[] = [];

  constructor(options: EnrolledDevicesOptions) {
    this.#options = { monotonic: () => performance.now(), ...options };
  }

  check(): Failure | undefined {
    if (this.#options.monotonic() - this.#seenAt < longestUnseenMs) return undefined;
    return failure("database_unavailable", "The enrollments were not compared with the database of late.");
  }

  find(key: string, role: Role): EnrolledDevice | undefined {
    return role === "controller" ? this.#byKey.get(key) : undefined;
  }

  findById(deviceId: string, role: Role): EnrolledDevice | undefined {
    return role === "controller" ? this.#byId.get(deviceId) : undefined;
  }

  isRevoked(deviceId: string): boolean {
    return this.check() !== undefined || this.#left.has(deviceId);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes note of an enrollment as it is now, or was before it went. */
  apply(enrollment: Enrollment, isGone = false): void {
    this.#remember(enrollment, isGone);
    this.#tell();
  }

  /** Nothing has changed since the last time. */
  seen(): void {
    this.#seenAt = this.#options.monotonic();
  }

  /**
   * Compares with the database after changes: what was revoked and deleted between two looks, no change tells of. Throws
   * what the store does.
   */
  async look(): Promise<void> {
    const now = Math.floor(this.#options.now() / 1000);
    const here = [...this.#live.values()].filter(({ enrollment }) => !hasLapsed(enrollment, now));
    if ((await this.#options.store.countLive(now)) !== here.length) await this.#readAnew(now);
    this.seen();
  }

  async #readAnew(now: number): Promise<void> {
    const live = await this.#options.store.readLive(now);
    const ids = new Set(live.map(({ id }) => id));
    for (const device of this.#live.values()) if (!ids.has(device.enrollment.id)) this.#remove(device);
    for (const enrollment of live) this.#remember(enrollment, false);
    this.#tell();
  }

  #remember(enrollment: Enrollment, isGone: boolean): void {
    const before = this.#live.get(enrollment.id);
    if (before !== undefined) this.#remove(before);
    if (isGone || enrollment.status !== "approved") return;
    const device = new EnrolledDevice(enrollment);
    this.#live.set(enrollment.id, device);
    this.#byId.set(device.deviceId, device);
    this.#byKey.set(enrollment.publicKey, device);
    this.#left.delete(device.deviceId);
  }

  #remove({ deviceId, enrollment }: EnrolledDevice): void {
    this.#live.delete(enrollment.id);
    this.#byId.delete(deviceId);
    this.#byKey.delete(enrollment.publicKey);
    this.#left.add(deviceId);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
