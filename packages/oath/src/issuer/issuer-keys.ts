import { ageOf, type Clocks, type Moment, momentOf } from "../timing/age.js";
import { Refresher } from "./refresher.js";

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

/** The keys of one issuer, as fresh as they can be had (docs/protocol.md, section 8.7). */
export class IssuerKeys<Key> {
  readonly #clocks: Clocks;
  readonly #refresher: Refresher;
  #known: (FetchedKeys<Key> & { readonly at: Moment }) | undefined;
  #missedAt: Moment | undefined;

  constructor({ fetchKeys, ...options }: IssuerKeysOptions<Key>) {
    this.#clocks = options;
    const refresh = async () => {
      const at = momentOf(options);
      this.#known = { ...(await fetchKeys()), at };
      return this.#known.maxAgeMs * ahead;
    };
    this.#refresher = new Refresher({ ...options, refresh, firstPauseMs: 1000, longestPauseMs: 30_000 });
  }

  /** @throws AmeshError `issuer_unreachable` */
  find(kid: string): Key | undefined | Promise<Key | undefined> {
    const known = this.#known;
    if (known === undefined || this.#age(known.at) >= mostStaleMs) return this.#findAnew(kid);
    const key = known.keys.get(kid);
    if (key === undefined) return this.#findMissing(kid);
    return this.#age(known.at) < known.maxAgeMs ? key : this.#findAged(kid, key);
  }

  /** @throws AmeshError `issuer_unreachable`, at once within the pause after a failure */
  refresh(): Promise<void> {
    return this.#refresher.run();
  }

  close(): void {
    this.#refresher.stop();
  }

  async #findAnew(kid: string): Promise<Key | undefined> {
    await this.refresh();
    return this.#known?.keys.get(kid);
  }

  /** No timer rang, as where a machine slept: callers wait, unless the issuer is known to be away. */
  #findAged(kid: string, key: Key): Key | Promise<Key | undefined> {
    const away = this.#refresher.failing;
    const refreshed = this.#refresher.nudge();
    return away || refreshed === undefined ? key : refreshed.then(() => this.#known?.keys.get(kid));
  }

  #findMissing(kid: string): undefined | Promise<Key | undefined> {
    if (this.#refresher.underWay) return this.#findAnew(kid);
    if (this.#missedAt !== undefined && this.#age(this.#missedAt) < coolDownMs) {
      if (this.#refresher.failing) throw this.#refresher.failure();
      return undefined;
    }
    this.#missedAt = momentOf(this.#clocks);
    return this.#findAnew(kid);
  }

  #age(moment: Moment): number {
    return ageOf(moment, this.#clocks);
  }
}
