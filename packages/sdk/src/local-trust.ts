import {
  AmeshError,
  type Failure,
  failure,
  type Role,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { type OpenIdentity, readFleetFile, writeFleetFile } from "@authmesh/keystore";
import { openThisMachine } from "./bootstrap/this-machine.js";
import type { FleetMemory } from "./device-revocations.js";
import type { Logger } from "./logger.js";

const retryMs = 1000;
/** So that what happens while no request comes, such as a revocation and an older list after it, is seen too. */
const lookEveryMs = 500;

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
  /** Why the list could not be opened, or not anew. */
  #failure: Failure | undefined = failure("verifier_not_ready");
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
    const problem = this.#store?.check();
    return this.#store === undefined || problem !== undefined ? (this.#failure ?? problem) : undefined;
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

  /** Of this machine; undefined until the list is open. */
  get deviceId(): string | undefined {
    return this.#identity?.identity.deviceId;
  }

  /** Beside the list; undefined until it is open. */
  get fleetMemory(): FleetMemory | undefined {
    const dir = this.#identity?.dir;
    if (dir === undefined) return undefined;
    return {
      recall: () => readFleetFile(dir),
      remember: (statements) => writeFleetFile(dir, statements),
    };
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
      const identity = await openThisMachine(this.#folder, this.#logger);
      if (!this.#goesOverTo(identity.identity.deviceId)) return;
      const store = await identity.openAllowList();
      if (this.#store === undefined) lookAgain(new WeakRef(this));
      this.#store = store;
      this.#identity = identity;
      this.#failure = undefined;
      troubleOf(this.#logger).delete(this.#place);
      store.onChange(() => this.#tell());
      this.#tell();
    } catch (error) {
      const cause = error instanceof AmeshError ? error.failure : undefined;
      const detail = cause?.detail ?? (error instanceof Error ? error.message : String(error));
      this.#failure = cause?.status ? cause : failure("verifier_not_ready", detail, cause?.fix);
      const trouble = troubleOf(this.#logger);
      if (trouble.get(this.#place) === detail) return;
      trouble.set(this.#place, detail);
      this.#logger.error(`nobody can be verified: ${detail}`, { code: cause?.code, fix: cause?.fix });
    } finally {
      this.#retryAt = performance.now() + retryMs;
      this.#opening = undefined;
    }
  }

  get #place(): string {
    return this.#folder ?? "";
  }

  /** A store that is open knows what came before, and a new one does not: it makes way for another identity's alone. */
  #goesOverTo(deviceId: string): boolean {
    const own = this.#identity;
    if (own === undefined) return true;
    this.#failure = undefined;
    if (own.identity.deviceId === deviceId) return false;
    if (own.isSucceededBy(deviceId)) return true;
    throw new AmeshError(
      "verifier_not_ready",
      `The folder is that of ${deviceId} now; this process answers for ${own.identity.deviceId}.`,
      { fix: "If the identity was replaced, restart this process. Otherwise find out who wrote it." },
    );
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** What each log was told last of a folder that cannot be opened: said once, however many try, and how often. */
const troubles = new WeakMap<Logger, Map<string, string>>();

function troubleOf(logger: Logger): Map<string, string> {
  const known = troubles.get(logger) ?? new Map<string, string>();
  troubles.set(logger, known);
  return known;
}

/** Keeps neither the process alive nor the list. */
function lookAgain(trust: WeakRef<LocalTrust>): void {
  const timer = setInterval(() => {
    const present = trust.deref();
    if (present === undefined) clearInterval(timer);
    else present.check();
  }, lookEveryMs);
  timer.unref();
}
