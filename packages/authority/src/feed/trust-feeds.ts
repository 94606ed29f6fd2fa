import type { Logger } from "@authmesh/sdk";
import { EventStreams } from "../http/event-streams.js";
import type { AuthorityMetrics } from "../metrics.js";
import { Repetition } from "../repetition.js";
import type { FeedKeys } from "./feed-key.js";
import type { FeedState, FeedStore, StoredDelta } from "./feed-store.js";
import type { HeadFile } from "./head-file.js";
import { isBehind, positionText, ServedFeed } from "./served-feed.js";

export interface TrustFeedsOptions {
  readonly store: FeedStore;
  readonly keys: FeedKeys;
  readonly heads: HeadFile;
  readonly issuer: string;
  readonly metrics: Pick<AuthorityMetrics, "add" | "set">;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How soon a change is seen that nobody told of, in milliseconds. */
const lookEveryMs = 250;
const beatEveryMs = 10_000;
/** After this without its database a replica has nothing to push: whoever listens is better served by another one. */
const mostUnseenMs = 15_000;
const watchEveryMs = 1000;
const sweepEveryMs = 600_000;
const mostDeltas = 1000;

/** The trust feeds that this replica serves (docs/protocol.md, section 9): as the database has them, pushed to readers. */
export class TrustFeeds {
  readonly streams = new EventStreams({ most: 20_000, mostOfOne: 100 });
  readonly #options: TrustFeedsOptions;
  readonly #feeds = new Map<string, ServedFeed>();
  readonly #repetition: Repetition;
  #beating: NodeJS.Timeout | undefined;
  #watching: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isToLookAgain = false;
  #toldOf: string | undefined;
  /** When the feeds were last known to stand where the database has them, in milliseconds. */
  #seenAt: number;

  constructor(options: TrustFeedsOptions) {
    const { logger } = options;
    this.#options = options;
    this.#seenAt = options.now();
    this.#repetition = new Repetition({
      work: () => this.look(),
      everyMs: lookEveryMs,
      words: {
        failed: "the trust feeds cannot be brought up to date",
        recovered: "the trust feeds are up to date again",
      },
      logger,
    });
  }

  get keys(): FeedKeys {
    return this.#options.keys;
  }

  /** Whether the database was not seen for so long that nobody may listen here. */
  get isBlind(): boolean {
    return this.#options.now() - this.#seenAt > mostUnseenMs;
  }

  /** Begins new epochs where the database is behind what was served. Throws what the store does. */
  async restore(): Promise<void> {
    const { store, heads } = this.#options;
    const states = await store.states();
    for (const feed of heads.feeds) {
      const served = heads.get(feed) as FeedState;
      await this.#agreed(feed, served, states.get(feed));
    }
  }

  start(): void {
    const { store } = this.#options;
    // What fails is tried again, and told of, by the repetition.
    store.listen(() => void this.look().catch(() => {}));
    this.#repetition.start();
    this.#beating = setInterval(() => void this.#beat(), beatEveryMs).unref();
    this.#watching = setInterval(() => {
      if (this.isBlind) this.streams.end();
    }, watchEveryMs).unref();
    this.#sweeping = setInterval(() => void this.#sweep(), sweepEveryMs).unref();
  }

  /** The feed of a name; undefined where nothing was ever published under it. Throws what the store does. */
  async open(name: string): Promise<ServedFeed | undefined> {
    const known = this.#feeds.get(name);
    if (known !== undefined) return known;
    const { store, heads, keys, issuer, metrics, now } = this.#options;
    const asOf = now();
    const found = (await store.states([name])).get(name);
    const served = heads.get(name);
    const state = served === undefined ? found : (await this.#agreed(name, served, found)).state;
    if (state === undefined) return undefined;
    const told = {
      deltas: (count: number) => metrics.add("feed_deltas_total", "", count),
      snapshot: (bytes: number) => metrics.set("feed_snapshot_bytes", "", bytes),
    };
    const feed =
      this.#feeds.get(name) ??
      new ServedFeed({ issuer, name, store, signer: () => keys.signer, told }, state, asOf);
    this.#feeds.set(name, feed);
    heads.raise(name, feed.state);
    return feed;
  }

  /** Brings every feed that is served up to the database. Throws what the store does. */
  look(): Promise<void> {
    this.#isToLookAgain = true;
    this.#looking ??= this.#lookUntilSeen().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Ends the streams of whoever may not read any more; to be called when devices changed. */
  review(): void {
    for (const feed of this.#feeds.values()) feed.review();
  }

  /** To be called when the keys may have changed, and at the start. */
  async refreshKeys(): Promise<void> {
    const { keys } = this.#options;
    const before = keys.thumbprint;
    await keys.refresh();
    this.#rememberKey();
    if (keys.thumbprint === before) return;
    for (const feed of this.#feeds.values()) await feed.keyChanged();
  }

  async close(): Promise<void> {
    clearInterval(this.#beating);
    clearInterval(this.#watching);
    clearInterval(this.#sweeping);
    this.streams.close();
    await this.#repetition.close();
    await this.#looking?.catch(() => {});
    await this.#options.heads.flush().catch(() => {}); // as far as it was written, it is remembered
  }

  async #lookUntilSeen(): Promise<void> {
    const { store, heads, metrics, now } = this.#options;
    while (this.#isToLookAgain) {
      this.#isToLookAgain = false;
      const asOf = now();
      if (this.#feeds.size > 0) {
        const states = await store.states([...this.#feeds.keys()]);
        for (const feed of this.#feeds.values()) await this.#follow(feed, states.get(feed.name), asOf);
        metrics.set("feed_seen_timestamp_seconds", "", Math.floor(asOf / 1000));
      }
      this.#seenAt = asOf;
    }
    await heads.flush();
  }

  async #follow(feed: ServedFeed, found: FeedState | undefined, asOf: number): Promise<void> {
    const before = feed.state;
    if (
      found !== undefined &&
      positionText(found) === positionText(before) &&
      isEqual(found.digest, before.digest)
    ) {
      feed.seen(asOf);
      return;
    }
    const { state, deltas } = await this.#agreed(feed.name, before, found);
    this.#options.heads.raise(feed.name, state);
    if (deltas === undefined) await feed.restart(state, asOf);
    else await feed.advance(state, deltas, asOf);
  }

  /**
   * Where the feed stands, after a new epoch was begun if the database does not follow from what was served.
   *
   * @returns with the deltas since, unless they are too many or of another epoch
   */
  async #agreed(
    name: string,
    served: FeedState,
    found: FeedState | undefined,
  ): Promise<{ readonly state: FeedState; readonly deltas?: readonly StoredDelta[] }> {
    const { store, logger } = this.#options;
    if (found !== undefined && found.epoch > served.epoch) return { state: found };
    if (found !== undefined && !isBehind(found, served)) {
      const stored = await store.deltasAfter(name, served, mostDeltas);
      const deltas = stored.filter(({ number }) => number <= found.number);
      const digest = digestAt(served.number, found, deltas);
      if (digest === undefined) return { state: found };
      if (isEqual(digest, served.digest))
        return { state: found, ...(deltas.at(-1)?.number === found.number && { deltas }) };
    }
    if (await store.beginEpoch(name, served.epoch, "the database is behind what was served"))
      logger.warn(
        `the database is behind what was served of the feed ${name}, as after a backup was restored: a new epoch begins`,
      );
    const state = (await store.states([name])).get(name);
    if (state === undefined) throw new TypeError(`There is no feed ${name}.`);
    return { state };
  }

  /** Whoever came to a key goes back to none of before; told at every start until the rotations are as many again. */
  #rememberKey(): void {
    const { keys, heads, issuer, logger } = this.#options;
    const { key: served } = heads;
    const { position } = keys;
    const isKnown = served === undefined || keys.includes(served.thumbprint);
    if (!isKnown && this.#toldOf !== position.thumbprint) {
      this.#toldOf = position.thumbprint;
      logger.error(
        `the feeds are signed with ${position.thumbprint}, and verifiers that came to ${served.thumbprint} refuse that: the database does not know this key, as after a backup of before its rotation was restored`,
        {
          code: "feed_key_changed",
          fix: `Restore a later backup. If there is none, \`amesh authority feed-key rotate\`; then, on the machine of each verifier, \`amesh authority forget ${issuer}\`, name the new key where one is named, and restart what follows it.`,
        },
      );
    }
    if (isKnown || position.seq >= served.seq) heads.key = position;
  }

  async #beat(): Promise<void> {
    this.review();
    for (const feed of this.#feeds.values()) await feed.beat().catch(() => {}); // without a key nothing is told
  }

  /** Forgets feeds that nobody reads, and drops deltas that nobody needs. */
  async #sweep(): Promise<void> {
    for (const [name, feed] of this.#feeds) if (!feed.hasReaders) this.#feeds.delete(name);
    await this.#options.store.dropDeltas().catch(() => {}); // again the next time
  }
}

/** The digest that the database knows for a number; undefined where it was dropped with its deltas. */
function digestAt(number: number, found: FeedState, [first]: readonly StoredDelta[]): Uint8Array | undefined {
  if (found.number === number) return found.digest;
  return first?.number === number + 1 ? first.before : undefined;
}

const isEqual = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
