import { type Failure, failure } from "@authmesh/core";
import type { FanOutAuditSink } from "@authmesh/oath/audit";
import type { AuthorityStore } from "./authority-store.js";
import type { DatabaseNonceStore } from "./database/database-nonce-store.js";
import type { SharedDevices } from "./devices/shared-devices.js";
import type { KeyRing } from "./keys/key-ring.js";

export interface ReadinessOptions {
  readonly store: Pick<AuthorityStore, "findRevoked">;
  readonly devices: Pick<SharedDevices, "check">;
  readonly keys: KeyRing;
  readonly nonces: Pick<DatabaseNonceStore, "works" | "tryOut">;
  readonly audit: Pick<FanOutAuditSink, "working">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Writing is tried while nobody calls, too. */
const tryEveryMs = 10_000;

/** Whether the authority can mint, for whoever sends it callers. */
export class Readiness {
  readonly #options: ReadinessOptions;
  #isKeyRevoked = false;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Why nothing can be minted now. */
  get problem(): Failure | undefined {
    const { devices, keys, nonces, audit } = this.#options;
    const unfit = devices.check();
    if (unfit !== undefined) return unfit;
    if (!keys.hasSigner) return failure("authority_not_ready");
    if (this.#isKeyRevoked) return failure("signing_key_revoked");
    if (!nonces.works) return failure("database_unavailable");
    return audit.working ? undefined : failure("audit_unavailable");
  }

  /** Looks again at what only the database knows. Throws what the store does. */
  async look(): Promise<void> {
    const { store, keys, nonces, now } = this.#options;
    if (keys.hasSigner) {
      const named = { by: "kid", value: keys.signer.publicJwk.kid } as const;
      this.#isKeyRevoked = (await store.findRevoked([named], Math.floor(now() / 1000))) !== undefined;
    }
    if (nonces.works && now() - this.#triedAt < tryEveryMs) return;
    this.#triedAt = now();
    await nonces.tryOut();
  }
}
