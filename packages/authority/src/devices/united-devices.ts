import type { Failure, Role, TrustedDevice, TrustStore } from "@authmesh/core";

/**
 * The devices that are paired with the authority, and beside them those that are enrolled under an account
 * (docs/protocol.md, section 10.7). Who is both is known as a paired one.
 */
export class UnitedDevices implements TrustStore {
  readonly #paired: TrustStore;
  readonly #enrolled: TrustStore;
  readonly audience: readonly string[];

  constructor(paired: TrustStore, enrolled: TrustStore) {
    this.#paired = paired;
    this.#enrolled = enrolled;
    this.audience = paired.audience;
  }

  check(): Failure | undefined {
    return this.#paired.check() ?? this.#enrolled.check();
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#paired.find(key, role) ?? this.#enrolled.find(key, role);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#paired.findById(deviceId, role) ?? this.#enrolled.findById(deviceId, role);
  }

  isRevoked(deviceId: string): boolean {
    if (this.#paired.isRevoked(deviceId)) return true;
    return this.#paired.findById(deviceId, "controller") === undefined && this.#enrolled.isRevoked(deviceId);
  }

  onChange(listener: () => void): () => void {
    const stops = [this.#paired.onChange(listener), this.#enrolled.onChange(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }
}
