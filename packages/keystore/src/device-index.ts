import { PublicKey, type Role, type Scopes, type TrustedDevice } from "@authmesh/core";
import type { AllowListState, DeviceEntry } from "./allow-list-format.js";

/** The list arranged for questions. Without contents it knows nobody. */
export class DeviceIndex {
  readonly contents: AllowListState | undefined;
  readonly byKey = byRole();
  readonly byId = byRole();
  readonly revoked: ReadonlySet<string>;
  readonly audience: readonly string[];

  constructor(contents: AllowListState | undefined) {
    this.contents = contents;
    this.revoked = new Set(contents?.revoked.map(({ deviceId }) => deviceId));
    this.audience = contents?.audience ?? [];
    for (const entry of contents?.devices ?? []) {
      if (entry.status !== "active") continue;
      const device = new ListedDevice(entry);
      this.byKey[entry.role].set(entry.publicKey, device);
      this.byId[entry.role].set(entry.deviceId, device);
    }
  }
}

const byRole = (): Readonly<Record<Role, Map<string, TrustedDevice>>> => ({
  controller: new Map(),
  target: new Map(),
});

const noScopes: Scopes = Object.freeze({});

class ListedDevice implements TrustedDevice {
  readonly deviceId: string;
  readonly friendlyName: string;
  readonly role: Role;
  readonly status = "active";
  readonly bound: boolean;
  readonly scopes: Scopes;
  readonly unscoped: boolean;
  readonly expiresAt?: number;
  readonly #base64: string;
  #publicKey: PublicKey | undefined;

  constructor(entry: DeviceEntry) {
    this.deviceId = entry.deviceId;
    this.friendlyName = entry.friendlyName;
    this.role = entry.role;
    this.bound = entry.bound;
    this.scopes = entry.scopes ?? noScopes;
    this.unscoped = entry.scopes === undefined;
    if (entry.expiresAt !== undefined) this.expiresAt = entry.expiresAt;
    this.#base64 = entry.publicKey;
  }

  /** Imported on first use: that costs 50 µs, and most devices of a long list do not call. */
  get publicKey(): PublicKey {
    this.#publicKey ??= PublicKey.fromBase64(this.#base64);
    return this.#publicKey;
  }
}
