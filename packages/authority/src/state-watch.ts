import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";
import type { AuthorityStore, Generations } from "./authority-store.js";
import type { SharedDevices } from "./devices/shared-devices.js";
import type { KeyRing } from "./keys/key-ring.js";

export interface StateWatchOptions {
  readonly store: AuthorityStore;
  readonly devices: SharedDevices;
  readonly keys: KeyRing;
  /** Looked at with the rest; throws nothing. */
  readonly policy: { readonly policy: unknown };
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How soon a replica sees what another one changed, in milliseconds. */
const lookEveryMs = 250;
const sweepEveryMs = 10_000;

/** Keeps a replica's memory as the database is, and does what is due in the database. */
export class StateWatch {
  readonly #options: StateWatchOptions;
  #known: Generations | undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Said once, until it works again. */
  #trouble: string | undefined;

  constructor(options: StateWatchOptions) {
    this.#options = options;
  }

  /** Looks now. Throws what the store does, and `key_mismatch`. */
  async look(): Promise<void> {
    const { store, devices, keys, policy, now } = this.#options;
    void policy.policy;
    const generations = await store.generations();
    if (generations.keys !== this.#known?.keys) await keys.refresh();
    if (generations.devices !== this.#known?.devices) await devices.refresh();
    else devices.seen();
    this.#known = generations;
    await keys.maintain();
    if (now() - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now();
    await store.forgetNonces(now());
    await store.forgetRevocations(Math.floor(now() / 1000));
  }

  /** Goes on looking until it is closed. Keeps no process alive. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.look()
        .then(
          () => this.#recovered(),
          (error: unknown) => this.#failed(error),
        )
        .then(() => this.start());
    }, lookEveryMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #failed(error: unknown): void {
    const known = error instanceof AmeshError ? error : undefined;
    const detail =
      known?.message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
    if (detail === this.#trouble) return;
    this.#trouble = detail;
    this.#options.logger.error(`the state cannot be brought up to date: ${detail}`, {
      code: known?.code,
      fix: known?.fix,
    });
  }

  #recovered(): void {
    if (this.#trouble !== undefined) this.#options.logger.info("the state is up to date again");
    this.#trouble = undefined;
  }
}
