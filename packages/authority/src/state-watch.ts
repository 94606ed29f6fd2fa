import type { Logger } from "@authmesh/sdk";
import type { AuthorityStore, Generations } from "./authority-store.js";
import type { SharedDevices } from "./devices/shared-devices.js";
import type { EnrolledDevices } from "./enrollment/enrolled-devices.js";
import type { Enrollments } from "./enrollment/enrollments.js";
import type { LastUses } from "./enrollment/last-uses.js";
import type { TrustFeeds } from "./feed/trust-feeds.js";
import type { KeyRing } from "./keys/key-ring.js";
import { Repetition } from "./repetition.js";

export interface StateWatchOptions {
  readonly store: AuthorityStore;
  readonly devices: SharedDevices;
  readonly enrollments: Pick<Enrollments, "refresh" | "lapse">;
  readonly enrolled: Pick<EnrolledDevices, "look" | "seen">;
  readonly uses: Pick<LastUses, "write">;
  readonly keys: KeyRing;
  readonly feeds: Pick<TrustFeeds, "refreshKeys">;
  /** Looked at with the rest; throws nothing. */
  readonly policy: { readonly policy: unknown };
  /** Looked at last. */
  readonly readiness: { look(): Promise<void> };
  /** Tells the audit what was changed. What it throws holds off a new signing key. */
  readonly tell: () => Promise<void>;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How soon a replica sees what another one changed, in milliseconds. */
const lookEveryMs = 250;
const sweepEveryMs = 10_000;

const areas = ["devices", "keys", "revocations", "enrollments", "feeds"] as const;

/** Keeps a replica's memory as the database is, and does what is due in the database. */
export class StateWatch {
  readonly #options: StateWatchOptions;
  #known: Generations | undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;
  readonly #repetition: Repetition;

  constructor(options: StateWatchOptions) {
    this.#options = options;
    this.#repetition = new Repetition({
      work: () => this.look(),
      everyMs: lookEveryMs,
      words: {
        failed: "the state cannot be brought up to date",
        recovered: "the state is up to date again",
      },
      logger: options.logger,
    });
  }

  /** Looks now. Throws what the store does, `key_mismatch`, and what telling the audit does. */
  async look(): Promise<void> {
    const { store, devices, enrollments, enrolled, keys, feeds, policy, readiness, tell } = this.#options;
    void policy.policy;
    const generations = await store.generations();
    const before = this.#known;
    if (generations.devices !== before?.devices) await devices.refresh();
    else devices.seen();
    if (generations.enrollments !== before?.enrollments) {
      await enrollments.refresh();
      await enrolled.look();
    } else enrolled.seen();
    await this.#sweep();
    if (areas.some((area) => generations[area] !== before?.[area])) await tell();
    // A key signs once the audit was told of it.
    if (generations.keys !== before?.keys) await keys.refresh();
    if (generations.feeds !== before?.feeds) await feeds.refreshKeys();
    this.#known = generations;
    await readiness.look();
    if (await keys.maintain()) await this.look();
  }

  async #sweep(): Promise<void> {
    const { store, enrollments, uses, now } = this.#options;
    if (now() - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now();
    await store.forgetNonces(now());
    await store.forgetRevocations(Math.floor(now() / 1000));
    const isMoreToEnd = await enrollments.lapse();
    await uses.write();
    // The rest with the next look: an authority that was away for long would start for minutes.
    if (isMoreToEnd) this.#sweptAt = Number.NEGATIVE_INFINITY;
  }

  /** Goes on looking until it is closed. Keeps no process alive. */
  start(): void {
    this.#repetition.start();
  }

  close(): Promise<void> {
    return this.#repetition.close();
  }
}
