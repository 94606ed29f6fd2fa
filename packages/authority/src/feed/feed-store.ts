import type { FeedChange, FeedPosition } from "@authmesh/oath/feed";
import type { FeedKey } from "./feed-key.js";

/** Where a feed stands, and what its deltas add up to there. */
export interface FeedState extends FeedPosition {
  readonly digest: Uint8Array;
}

/** A delta as the database has it. */
export interface StoredDelta extends FeedPosition {
  readonly before: Uint8Array;
  readonly changes: readonly FeedChange[];
  /** Unix seconds. */
  readonly at: number;
}

/** A whole state, as the lines of a snapshot (docs/protocol.md, section 9.2). */
export interface StoredSnapshot extends FeedState {
  readonly lines: readonly Uint8Array[];
  readonly entries: number;
}

/** The trust feeds in the database. Everything rejects with `database_unavailable` when it cannot be used. */
export interface FeedStore {
  /** Where these feeds stand, or all; one that is not there was never published to. */
  states(feeds?: readonly string[]): Promise<ReadonlyMap<string, FeedState>>;
  /** Makes an empty feed where there is none. */
  create(feed: string): Promise<void>;
  /** The first deltas behind a number of an epoch, as far as they are there; there may be gaps before the first. */
  deltasAfter(feed: string, position: FeedPosition, limit: number): Promise<readonly StoredDelta[]>;
  /** @returns undefined where there is no such feed */
  snapshot(feed: string): Promise<StoredSnapshot | undefined>;
  /**
   * Begins the epoch after `above`, unless it has begun; with it is written what the audit is told.
   *
   * @returns whether it was begun now
   */
  beginEpoch(feed: string, above: number, reason: string): Promise<boolean>;
  /** Drops deltas that are older than a day and not among the last 10,000. */
  dropDeltas(): Promise<void>;

  /** In the order in which they signed; the last one does. */
  readKeys(): Promise<readonly FeedKey[]>;
  /** @param change gives the key that signs from now on, or undefined to leave them */
  changeKeys(change: (keys: readonly FeedKey[]) => Promise<FeedKey | undefined>): Promise<readonly FeedKey[]>;

  /** As whom the authority was run last: the `iss` of what a person's command signs. */
  issuer(): Promise<string | undefined>;
  rememberIssuer(issuer: string): Promise<void>;

  /** Calls `listener` when a feed may have changed. */
  listen(listener: () => void): void;
  close(): Promise<void>;
}
