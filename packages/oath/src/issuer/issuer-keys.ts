import { AmeshError } from "@authmesh/core";
import { ageOf, type Clocks, type Moment, momentOf } from "../timing/age.js";

/** Keys as one answer of the issuer gave them. */
export interface FetchedKeys<Key> {
  readonly keys: ReadonlyMap<string, Key>;
  /** How long they may be used without another look. */
  readonly maxAgeMs: number;
}

export interface IssuerKeysOptions<Key> extends Clocks {
  /** @throws AmeshError `issuer_unreachable` */
  readonly fetchKeys: () => Promise<FetchedKeys<Key>>;
  /** Calls back after some milliseconds; returns the way to stop that. */
  readonly schedule: (callback: () => void, ms: number) => () => void;
}

/** For how long keys are used while the issuer cannot be asked. */
const mostStaleMs = 24 * 3600 * 1000;
/** Between two fetches for keys that are not in the set, however many of them are asked for. */
const coolDownMs = 30_000;
/** The part of their age after which keys are fetched again. */
const ahead = 0.8;
const firstPauseMs = 1000;
const longestPauseMs = 30_000;

interface Failed {
  readonly error: AmeshError;
  readonly at: Moment;
  readonly pauseMs: number;
}

/** The keys of one issuer, as fresh as they can be had (docs/protocol.md, section 8.7). */
export class IssuerKeys<Key> {
  readonly #options: IssuerKeysOptions<Key>;
  #known: (FetchedKeys<Key> & { readonly at: Moment }) | undefined;
  #failed: Failed | undefined;
  #flight: Promise<void> | undefined;
  #missedAt: Moment | undefined;
  #stopTimer: () => void = () => {};
  #closed = false;

  constructor(options: IssuerKeysOptions<Key>) {
    this.#options = options;
  }

  /** @throws AmeshError `issuer_unreachable` */
  find(kid: string): Key | undefined | Promise<Key | undefined> {
    const known = this.#known;
    const key = known?.keys.get(kid);
    if (known === undefined || !(this.#age(known.at) < mostStaleMs)) return this.#findAnew(kid);
    if (key === undefined) return this.#findMissing(kid);
    return this.#age(known.at) < known.maxAgeMs ? key : this.#findAged(kid, key);
  }

  /** @throws AmeshError `issuer_unreachable`, at once within the pause after a failure */
  async refresh(): Promise<void> {
    const failed = this.#failed;
    if (this.#flight === undefined && failed !== undefined && this.#age(failed.at) < failed.pauseMs)
      throw this.#inPause(failed);
    await this.#refresh();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
  }

  async #findAnew(kid: string): Promise<Key | undefined> {
    await this.refresh();
    return this.#known?.keys.get(kid);
  }

  /** The timer fetched nothing, as where a machine slept: a caller waits, unless the issuer is known to be away. */
  #findAged(kid: string, key: Key): Key | Promise<Key | undefined> {
    const away = this.#failed !== undefined;
    const refreshed = this.refresh().catch(() => {});
    return away ? key : refreshed.then(() => this.#known?.keys.get(kid));
  }

  #findMissing(kid: string): undefined | Promise<Key | undefined> {
    if (this.#flight !== undefined) return this.#findAnew(kid);
    if (this.#missedAt !== undefined && this.#age(this.#missedAt) < coolDownMs) {
      if (this.#failed !== undefined) throw this.#inPause(this.#failed);
      return undefined;
    }
    this.#missedAt = momentOf(this.#options);
    return this.#findAnew(kid);
  }

  #refresh(): Promise<void> {
    this.#flight ??= this.#fetch().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #fetch(): Promise<void> {
    const at = momentOf(this.#options);
    try {
      this.#known = { ...(await this.#options.fetchKeys()), at };
      this.#failed = undefined;
      this.#refreshIn(this.#known.maxAgeMs * ahead);
    } catch (error) {
      const pauseMs = Math.min(longestPauseMs, 2 * (this.#failed?.pauseMs ?? firstPauseMs / 2));
      if (error instanceof AmeshError) this.#failed = { error, at: momentOf(this.#options), pauseMs };
      this.#refreshIn(pauseMs);
      throw error;
    }
  }

  #refreshIn(ms: number): void {
    this.#stopTimer();
    if (!this.#closed)
      this.#stopTimer = this.#options.schedule(() => void this.#refresh().catch(() => {}), ms);
  }

  /** Of its own for each caller, so that none changes another one's. */
  #inPause({ error, at, pauseMs }: Failed): AmeshError {
    const retryAfterSeconds = Math.max(1, Math.ceil((pauseMs - this.#age(at)) / 1000));
    return new AmeshError({ ...error.failure, retryAfterSeconds });
  }

  #age(moment: Moment): number {
    return ageOf(moment, this.#options);
  }
}
