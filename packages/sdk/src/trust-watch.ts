import { AmeshError, type Failure, failure, parseRequirement, type TrustStore } from "@authmesh/core";

const lookEveryMs = 1000;

export interface TrustWatchOptions {
  readonly trust: TrustStore;
  /** Brings a store that failed back, if that can be done. */
  readonly ready: () => Promise<void>;
  /** What a caller must have been granted, as in `VerifyOptions`. */
  readonly scope: string | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

interface Watched {
  readonly deviceId: string;
  readonly lost: (reason: AmeshError) => void;
}

/**
 * Says when a device that was let in would no longer be, for connections that outlive their first request. It asks
 * the store at each change and every second, since a store may look for changes only when asked; and it rests while
 * nobody is watched.
 */
export class TrustWatch {
  readonly #options: TrustWatchOptions;
  readonly #suffices: ReturnType<typeof parseRequirement>;
  readonly #watched = new Set<Watched>();
  #rest: (() => void) | undefined;

  constructor(options: TrustWatchOptions) {
    this.#options = options;
    this.#suffices = options.scope === undefined ? () => true : parseRequirement(options.scope);
  }

  /** @param lost called once; returns the way to stop watching */
  add(deviceId: string, lost: Watched["lost"]): () => void {
    const watched = { deviceId, lost };
    this.#watched.add(watched);
    this.#rest ??= this.#begin();
    return () => this.#remove(watched);
  }

  #begin(): () => void {
    const { trust, ready } = this.#options;
    const unsubscribe = trust.onChange(() => this.#look());
    const timer = setInterval(() => void ready().then(() => this.#look()), lookEveryMs);
    timer.unref();
    return () => {
      clearInterval(timer);
      unsubscribe();
    };
  }

  #look(): void {
    const broken = this.#options.trust.check();
    for (const watched of [...this.#watched]) {
      const reason = broken ?? this.#standing(watched.deviceId);
      if (reason === undefined || !this.#watched.has(watched)) continue;
      this.#remove(watched);
      watched.lost(new AmeshError(reason));
    }
  }

  #standing(deviceId: string): Failure | undefined {
    const { trust, now = Date.now } = this.#options;
    if (trust.isRevoked(deviceId)) return failure("device_revoked");
    const device = trust.findById(deviceId, "controller");
    if (device === undefined) return failure("device_unknown");
    if (device.ended) return failure("enrollment_ended");
    if (device.expiresAt !== undefined && now() >= device.expiresAt * 1000) return failure("entry_expired");
    return this.#suffices(device.scopes) ? undefined : failure("scope_missing");
  }

  #remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    this.#rest?.();
    this.#rest = undefined;
  }
}
