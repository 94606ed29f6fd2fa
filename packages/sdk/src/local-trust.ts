import {
  AmeshError,
  type Failure,
  failure,
  type Role,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { type OpenIdentity, openIdentity } from "@authmesh/keystore";
import type { Logger } from "./logger.js";

const retryMs = 1000;

/**
 * The allow list of this machine's identity, opened in the background. Until it is open, and whenever it cannot be,
 * it trusts nobody and says why; it is tried again, so that a server recovers once the cause is gone. A list that is
 * refused may be that of another identity by now (`amesh init --migrate`): that one is gone over to if the key of the
 * present one says so. Whoever can only write files puts no other identity under a running server.
 */
export class LocalTrust implements TrustStore {
  readonly #folder: string | undefined;
  readonly #logger: Logger;
  #opening: Promise<void> | undefined;
  #store: TrustStore | undefined;
  #identity: OpenIdentity | undefined;
  #failure: Failure = failure("verifier_not_ready");
  #retryAt = 0;
  readonly #listeners = new Set<() => void>();

  constructor(folder: string | undefined, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
  }

  /** Resolves, never rejects, when the list is open or could not be opened. Cheap while it is trusted. */
  async ready(): Promise<void> {
    if (this.#store !== undefined && this.#store.check() === undefined) return;
    if (this.#opening === undefined && performance.now() < this.#retryAt) return;
    this.#opening ??= this.#open();
    await this.#opening;
  }

  check(): Failure | undefined {
    return this.#store === undefined ? this.#failure : this.#store.check();
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#store?.find(key, role);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#store?.findById(deviceId, role);
  }

  isRevoked(deviceId: string): boolean {
    return this.#store?.isRevoked(deviceId) ?? false;
  }

  get audience(): readonly string[] {
    return this.#store?.audience ?? [];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #open(): Promise<void> {
    try {
      const identity = await openIdentity(this.#folder === undefined ? {} : { dir: this.#folder });
      if (this.#identity && (await this.#identity.successor()) !== identity.identity.deviceId) return;
      const store = await identity.openAllowList();
      this.#store = store;
      this.#identity = identity;
      store.onChange(() => this.#tell());
      this.#tell();
    } catch (error) {
      const cause = error instanceof AmeshError ? error.failure : undefined;
      const detail = cause?.detail ?? (error instanceof Error ? error.message : String(error));
      this.#failure = cause?.status ? cause : failure("verifier_not_ready", detail, cause?.fix);
      this.#logger.error(`nobody can be verified: ${detail}`, { code: cause?.code, fix: cause?.fix });
    } finally {
      this.#retryAt = performance.now() + retryMs;
      this.#opening = undefined;
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
