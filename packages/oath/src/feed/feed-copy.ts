import { AmeshError } from "@authmesh/core";
import { withCode } from "@authmesh/core/records";
import { ageOf, type Clocks, type Moment } from "../timing/age.js";
import { type FeedPosition, nextFeedDigest } from "./feed-change.js";
import { FeedState } from "./feed-state.js";
import type { FeedDelta, FeedHead, FeedSnapshot, FeedStatement } from "./feed-statement.js";

/** Whose feed it is, and which. */
export interface FeedName {
  /** The authority's URL, as `iss` has it. */
  readonly iss: string;
  /** "@acme", or "tokens". */
  readonly feed: string;
}

/** Where a copy stands: the digest is over all that led there. */
export interface FeedMark extends FeedPosition {
  readonly digest: Uint8Array;
}

/**
 * What became of a statement:
 *
 * - `applied`: the state is another one;
 * - `heard`: it is what the copy knows, which may be younger by it;
 * - `older`: it is of before, and was ignored;
 * - `behind`: the copy lacks what comes before it;
 * - `unfit`: it is the next one and follows from another state than the copy's.
 */
export type FeedOutcome = "applied" | "heard" | "older" | "behind" | "unfit";

/** Milliseconds by which an authority's clock may be ahead. */
const mostAheadMs = 300_000;

/**
 * A verifier's copy of a feed: which statements lead on, and how old it is (docs/protocol.md, section 9.4). It believes
 * what it is given: signatures were checked before.
 */
export class FeedCopy {
  readonly name: FeedName;
  #state = new FeedState();
  #mark: FeedMark | undefined;
  /** Of the youngest head: when it was signed, in Unix seconds, and when it came. */
  #head: { readonly iat: number; readonly at: Moment } | undefined;
  #forkedEpoch: number | undefined;

  constructor(name: FeedName) {
    this.name = name;
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Undefined before there is any. */
  get mark(): FeedMark | undefined {
    return this.#mark;
  }

  /** When the youngest head was signed, in Unix seconds. */
  get headAt(): number | undefined {
    return this.#head?.iat;
  }

  /** When a head made it younger the last time, on the clock that only grows. */
  get confirmedAt(): number {
    return this.#head?.at.monotonic ?? Number.NEGATIVE_INFINITY;
  }

  /** Whether the authority told two stories of one number. It ends with a new epoch. */
  get forked(): boolean {
    return this.#forkedEpoch !== undefined;
  }

  /** Milliseconds; Infinity where there is no copy, or no head of it. */
  ageMs(clocks: Clocks): number {
    return this.#mark === undefined || this.#head === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(0, ageOf(this.#head.at, clocks));
  }

  /**
   * @throws AmeshError `feed_malformed` for a statement of another feed, for one that cannot be applied, and for a head
   *   of the future; `feed_forked`
   */
  take(statement: FeedHead | FeedDelta, clocks: Clocks): FeedOutcome {
    this.#assertOwn(statement);
    if (statement.kind === "head") assertNotAhead(statement.iat, clocks);
    const mark = this.#mark;
    if (mark === undefined) return "behind";
    const ahead = compare(statement, mark);
    if (ahead < 0) return "older";
    this.#assertWhole(statement);
    return statement.kind === "head"
      ? this.#takeHead(statement, mark, clocks)
      : this.#takeDelta(statement, mark);
  }

  /**
   * Puts a snapshot in the place of the state.
   *
   * @returns false for one that is older than the copy
   * @throws AmeshError `feed_malformed` for another feed's, `feed_forked`
   */
  replace(snapshot: FeedSnapshot, state: FeedState): boolean {
    this.#assertOwn(snapshot);
    const mark = this.#mark;
    const ahead = mark === undefined ? 1 : compare(snapshot, mark);
    if (ahead < 0) return false;
    this.#assertWhole(snapshot);
    if (mark !== undefined && ahead === 0 && !sameBytes(snapshot.digest, mark.digest)) throw this.fork();
    const { epoch, number, digest } = snapshot;
    this.#state = state;
    this.#mark = { epoch, number, digest };
    this.#forkedEpoch = undefined;
    return true;
  }

  /** Goes on where a copy that was kept ended. @param headAt when its youngest head was signed, in Unix seconds */
  restore(state: FeedState, mark: FeedMark, headAt: number | undefined, clocks: Clocks): void {
    this.#state = state;
    this.#mark = mark;
    this.#head = undefined;
    if (headAt !== undefined && headAt * 1000 <= clocks.now() + mostAheadMs) this.#hear(headAt, clocks);
  }

  /** From now on nothing more of this epoch is believed. */
  fork(): AmeshError {
    this.#forkedEpoch = this.#mark?.epoch;
    const { iss, feed } = this.name;
    const { epoch = 0, number = 0 } = this.#mark ?? {};
    return new AmeshError(
      "feed_forked",
      `${iss} tells two stories of ${feed} at ${epoch}.${number}; the copy stays as it was.`,
    );
  }

  #takeHead(head: FeedHead, mark: FeedMark, clocks: Clocks): FeedOutcome {
    if (compare(head, mark) > 0) return "behind";
    if (!sameBytes(head.digest, mark.digest)) throw this.fork();
    // One that comes again makes nothing younger.
    if (this.#head === undefined || head.iat > this.#head.iat) this.#hear(head.iat, clocks);
    return "heard";
  }

  #takeDelta(delta: FeedDelta, mark: FeedMark): FeedOutcome {
    const { epoch, number, before, changes } = delta;
    if (epoch > mark.epoch || number > mark.number + 1) return "behind";
    const digest = nextFeedDigest(before, changes);
    if (number === mark.number) {
      if (!sameBytes(digest, mark.digest)) throw this.fork();
      return "heard";
    }
    if (!sameBytes(before, mark.digest)) return "unfit";
    withCode(() => this.#state.apply(changes), "feed_malformed", "The delta of the trust feed");
    this.#mark = { epoch, number, digest };
    return "applied";
  }

  #hear(iat: number, { monotonic }: Clocks): void {
    this.#head = { iat, at: { wall: iat * 1000, monotonic: monotonic() } };
  }

  #assertOwn({ iss, feed }: FeedStatement): void {
    if (iss !== this.name.iss || feed !== this.name.feed)
      throw new AmeshError(
        "feed_malformed",
        `The statement is of ${feed} at ${iss}, and not of ${this.name.feed} at ${this.name.iss}.`,
      );
  }

  #assertWhole({ epoch }: FeedStatement): void {
    if (epoch === this.#forkedEpoch) throw this.fork();
  }
}

function assertNotAhead(iat: number, { now }: Clocks): void {
  const aheadMs = iat * 1000 - now();
  if (aheadMs > mostAheadMs)
    throw new AmeshError(
      "feed_malformed",
      `The head of the trust feed is of the future: this machine's clock is ${Math.round(aheadMs / 60_000)} min behind the authority's.`,
      { fix: "Set this machine's clock, or the authority's." },
    );
}

const compare = (a: FeedPosition, b: FeedPosition): number => a.epoch - b.epoch || a.number - b.number;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
