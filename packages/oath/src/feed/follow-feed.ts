import { AmeshError, type ErrorCode, type Failure, failure } from "@authmesh/core";
import { tell } from "../issuer/tell.js";
import { originProblem } from "../issuer-url.js";
import { type Clocks, systemClocks } from "../timing/age.js";
import { type Schedule, unreferencedTimer } from "../timing/unreferenced-timer.js";
import { EventStreamReader, type ServerEvent } from "./event-stream.js";
import type { FeedPosition } from "./feed-change.js";
import { FeedCopy, type FeedMark, type FeedOutcome } from "./feed-copy.js";
import { type FeedAnchor, FeedKeys } from "./feed-keys.js";
import { FeedRequests, type KnownPage } from "./feed-requests.js";
import type { FeedState } from "./feed-state.js";
import type { FeedStatement } from "./feed-statement.js";
import type { KeptFeed } from "./kept-feed.js";
import { readSnapshot } from "./read-snapshot.js";

export interface FollowFeedOptions extends Partial<Clocks> {
  /**
   * Whose feed it is: the authority's URL, and the thumbprint of its feed key or what `key` gave before. Without one the
   * first key that is seen is believed, and told of by the event `key`.
   */
  readonly authority: { readonly url: string; readonly key?: string | FeedAnchor | undefined };
  /** "@acme", or "tokens". */
  readonly feed: string;
  /** Signs as a device that may read the feed. Default: the runtime's, which signs nothing. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Seconds after which a copy is too old to decide by. Default 3600. */
  readonly maxStaleSeconds?: number | undefined;
  /** Where a copy that was kept ended; left aside if `authority.key` is another key than it was believed by. Default: it begins with a snapshot. */
  readonly kept?: KeptFeed | undefined;
  /** Milliseconds for an answer to begin. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Calls back after some milliseconds. Default: a timer that keeps no process alive. */
  readonly schedule?: Schedule | undefined;
  /** 0 to 1, so that a fleet does not come at one time. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Called with what happens, for logs and metrics. */
  readonly observe?: ((event: FeedEvent) => void) | undefined;
}

/** What happens to a copy. */
export type FeedEvent =
  | { readonly type: "connected" }
  /** Changes are not pushed any more; it polls until they are. */
  | { readonly type: "disconnected" }
  /** Brought up to date. */
  | ({ readonly type: "current"; readonly entries: number } & FeedPosition)
  | { readonly type: "failed" | "forked"; readonly code: ErrorCode; readonly reason: string }
  /** Another key is believed from now on, or the first. */
  | { readonly type: "key"; readonly anchor: FeedAnchor; readonly first: boolean };

/** How a copy is, for people to read. */
export interface FeedStatus {
  readonly authority: string;
  readonly feed: string;
  /** Undefined before there was a copy. */
  readonly position: FeedPosition | undefined;
  readonly entries: number;
  /** Deltas and snapshots that it took in since it is followed. */
  readonly applied: number;
  /** Seconds since a head confirmed it; Infinity where none did, which is null in JSON. */
  readonly ageSeconds: number;
  /** Whether it is too old to decide by. */
  readonly stale: boolean;
  /** Whether changes are pushed to it. */
  readonly connected: boolean;
  /** Why the last attempt failed; undefined where it did not. */
  readonly problem: Failure | undefined;
}

/** A copy of a feed that is kept up to date. */
export interface FollowedFeed {
  /** What it says; another object after each snapshot. */
  readonly state: FeedState;
  readonly status: FeedStatus;
  /** What to keep over a restart; undefined before there is a copy. */
  readonly kept: KeptFeed | undefined;
  /** The key that is believed, for `authority.key` after a restart. */
  readonly anchor: FeedAnchor | undefined;
  /** Why nothing may be decided by it now: `trust_stale`. */
  check(): Failure | undefined;
  /** Resolves, never rejects, once there is a copy to decide by, or the first attempt to get one failed. */
  ready(): Promise<void>;
  /** Calls back after every change of the state; returns the way to stop that. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/**
 * An authority signs a head every 10 s. After this without one that made the copy younger, the connection is dead, a proxy
 * holds it back, or it ends at a replica that does not see its database.
 */
const unconfirmedMs = 25_000;
const pollMs = 30_000;
const firstPauseMs = 1000;
/** A snapshot whose bytes cease to come, or come so slowly that it holds up what is newer. */
const snapshotPatience = { pauseMs: 30_000, wholeMs: 600_000 };
/** Answers until an attempt counts as failed. */
const mostPages = 1000;
const mostSnapshots = 2;

/**
 * Keeps a copy of an authority's feed (docs/protocol.md, section 9.4): changes are pushed over server-sent events, and
 * asked for every 30 s where they are not. The copy decides as long as it is not older than `maxStaleSeconds`.
 *
 * @example
 * const feed = followFeed({ authority: { url: "https://auth.example.com", key }, feed: "@acme", fetch: createClient().fetch });
 *
 * @throws TypeError for a URL that is no authority's, and for options that make no sense
 */
export function followFeed(options: FollowFeedOptions): FollowedFeed {
  return new FeedFollower(options);
}

class FeedFollower implements FollowedFeed {
  readonly #options: FollowFeedOptions;
  readonly #clocks: Clocks;
  readonly #mostStaleMs: number;
  readonly #copy: FeedCopy;
  readonly #keys: FeedKeys;
  readonly #requests: FeedRequests;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #first: Promise<void>;
  #firstIsOver: () => void = () => {};
  #wake: () => void = () => {};
  #connected = false;
  #applied = 0;
  /** Whether the last head was of before the copy. */
  #isAhead = false;
  #problem: Failure | undefined;

  constructor(options: FollowFeedOptions) {
    const { authority, feed, maxStaleSeconds = 3600, timeoutMs = 10_000, kept } = options;
    const problem = originProblem(authority.url);
    if (problem !== undefined) throw new TypeError(`authority: ${problem}.`);
    if (!(maxStaleSeconds > 0)) throw new TypeError("maxStaleSeconds must be positive.");
    this.#options = options;
    const { now = systemClocks.now, monotonic = systemClocks.monotonic } = options;
    this.#clocks = { now, monotonic };
    this.#mostStaleMs = maxStaleSeconds * 1000;
    const name = { iss: authority.url, feed };
    this.#copy = new FeedCopy(name);
    this.#keys = new FeedKeys(authority.url, authority.key);
    const { signal } = this.#closing;
    const fetch = options.fetch ?? globalThis.fetch;
    const { schedule = unreferencedTimer } = options;
    this.#requests = new FeedRequests({ ...name, fetch, timeoutMs, signal, schedule, monotonic });
    if (kept !== undefined) this.#restore(kept);
    this.#first = new Promise((resolve) => {
      this.#firstIsOver = resolve;
    });
    if (this.check() === undefined) this.#firstIsOver(); // what was kept can be decided by
    void this.#run();
  }

  get state(): FeedState {
    return this.#copy.state;
  }

  get kept(): KeptFeed | undefined {
    const { state, mark, headAt } = this.#copy;
    const key = this.#keys.thumbprint;
    return mark === undefined || key === undefined ? undefined : { state, mark, headAt, key };
  }

  get anchor(): FeedAnchor | undefined {
    return this.#keys.anchor;
  }

  get status(): FeedStatus {
    const { mark, state, name } = this.#copy;
    const ageMs = this.#copy.ageMs(this.#clocks);
    return {
      authority: name.iss,
      feed: name.feed,
      position: mark && { epoch: mark.epoch, number: mark.number },
      entries: state.size,
      applied: this.#applied,
      ageSeconds: ageMs / 1000,
      stale: ageMs > this.#mostStaleMs,
      connected: this.#connected,
      problem: this.#problem,
    };
  }

  check(): Failure | undefined {
    const ageMs = this.#copy.ageMs(this.#clocks);
    if (ageMs <= this.#mostStaleMs) return undefined;
    const { iss, feed } = this.#copy.name;
    const age = Number.isFinite(ageMs) ? `is ${Math.round(ageMs / 1000)} s old` : "was never confirmed";
    const why = this.#problem === undefined ? "" : ` ${this.#problem.detail}`;
    return failure("trust_stale", `The copy of ${feed} at ${iss} ${age}.${why}`, this.#problem?.fix);
  }

  ready(): Promise<void> {
    return this.#first;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#closing.abort();
    this.#wake();
  }

  /** What another key signed may be a thief's, and nothing of it is signed any more. */
  #restore({ state, mark, headAt, key }: KeptFeed): void {
    const { iss, feed } = this.#copy.name;
    if (key === this.#keys.thumbprint) this.#copy.restore(state, mark, headAt, this.#clocks);
    else
      this.#fail(
        new AmeshError(
          "feed_key_changed",
          `The kept copy of ${feed} at ${iss} is left aside: it was believed by the key ${key}.`,
        ),
      );
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isClosed) {
      const began = this.#clocks.monotonic();
      const heard = await this.#attempt();
      failures = heard ? 0 : failures + 1;
      if (!this.#isClosed) await this.#pause(failures, began);
    }
    this.#firstIsOver();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Catches up, then listens as long as it can. @returns whether changes were pushed */
  async #attempt(): Promise<boolean> {
    let heard = false;
    try {
      await this.#catchUp();
      this.#firstIsOver();
      for await (const event of this.#events()) {
        await this.#hear(event);
        if (!heard) this.#connect(true);
        heard = true;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#connect(false);
      this.#firstIsOver();
    }
    return heard;
  }

  /** Longer with each failure, and never so long that it would be polled less often than it should be. */
  #pause(failures: number, began: number): Promise<void> {
    const { schedule = unreferencedTimer, random = Math.random } = this.#options;
    const backOff = Math.min(pollMs, firstPauseMs * 2 ** failures) * (0.5 + random() / 2);
    const untilPoll = began + pollMs - this.#clocks.monotonic();
    return new Promise((resolve) => {
      const stop = schedule(resolve, Math.min(backOff, Math.max(firstPauseMs, untilPoll)));
      this.#wake = () => {
        stop();
        resolve();
      };
    });
  }

  /** Asks for what is new until a head says that there is nothing more. */
  async #catchUp(): Promise<void> {
    let snapshots = 0;
    for (let asked = 0; asked < mostPages; asked++) {
      const { mark } = this.#copy;
      const page = mark && (await this.#requests.deltas(mark));
      const outcome = page === undefined || page.gone ? "unknown" : await this.#takePage(page);
      if (outcome === "current") return this.#current();
      if (outcome === "more") continue;
      if (++snapshots > mostSnapshots) break;
      await this.#takeSnapshot();
    }
    throw new AmeshError(
      "feed_malformed",
      "What the authority tells of the trust feed does not lead to its head.",
    );
  }

  /** @returns "unknown" where deltas between the copy and the head are missing */
  async #takePage({ head, deltas, more }: KnownPage): Promise<"current" | "more" | "unknown"> {
    const outcomes = new Set<FeedOutcome>();
    for (const jws of deltas) outcomes.add(await this.#take(jws));
    if (outcomes.has("unfit")) throw this.#copy.fork();
    if (more && outcomes.has("applied")) return "more";
    return (await this.#take(head)) === "behind" ? "unknown" : "current";
  }

  async #takeSnapshot(): Promise<void> {
    const body = await this.#requests.snapshot(snapshotPatience);
    const { snapshot, state } = await readSnapshot(body, (jws) => this.#read(jws));
    if (this.#copy.replace(snapshot, state)) this.#changed();
  }

  async *#events(): AsyncGenerator<ServerEvent> {
    const reader = new EventStreamReader();
    const body = await this.#requests.events(this.#copy.mark as FeedMark, () => this.#confirmedForMs());
    try {
      for await (const bytes of body) {
        yield* reader.push(bytes);
        this.#assertConfirmed();
      }
    } catch (error) {
      if (!this.#isClosed) this.#assertConfirmed(); // says more than that nothing came in time
      throw error;
    }
  }

  /** Milliseconds for which the last head that made the copy younger says that it is the latest. */
  #confirmedForMs(): number {
    return this.#copy.confirmedAt + unconfirmedMs - this.#clocks.monotonic();
  }

  /** Bytes, polled or pushed, are no sign of life: another replica may know more. */
  #assertConfirmed(): void {
    if (this.#confirmedForMs() > 0) return;
    const { iss, feed } = this.#copy.name;
    if (this.#isAhead)
      throw new AmeshError("feed_behind", `${iss} stands behind what it told of ${feed} before.`);
    throw new AmeshError(
      "authority_unreachable",
      `${iss}: for 25 s no head confirmed the copy of ${feed}: no younger one came.`,
      { fix: "See that each replica reaches its database, and that no proxy holds its answers back." },
    );
  }

  async #hear({ event, data }: ServerEvent): Promise<void> {
    if (event === "snapshot") return this.#catchUp();
    if (event !== "delta" && event !== "head") return;
    const outcome = await this.#take(data);
    if (outcome === "behind" || outcome === "unfit") await this.#catchUp();
    else if (event === "head") this.#current();
  }

  async #take(jws: string): Promise<FeedOutcome> {
    const statement = await this.#read(jws);
    if (statement.kind === "snapshot")
      throw new AmeshError("feed_malformed", "There is a snapshot where a delta or a head should be.");
    const outcome = this.#copy.take(statement, this.#clocks);
    if (statement.kind === "head") this.#isAhead = outcome === "older";
    if (outcome === "applied") this.#changed();
    return outcome;
  }

  /** A key that is not known may be one that the known one led to meanwhile. */
  async #read(jws: string): Promise<FeedStatement> {
    try {
      if (this.#keys.anchor === undefined) await this.#learnKeys();
      return this.#keys.read(jws);
    } catch (error) {
      if (!isOtherKey(error)) throw error;
      await this.#learnKeys();
      return this.#keys.read(jws);
    }
  }

  async #learnKeys(): Promise<void> {
    const first = this.#keys.anchor === undefined;
    const isNew = this.#keys.learn(await this.#requests.keys());
    const { anchor } = this.#keys;
    if (isNew && anchor !== undefined) this.#tell({ type: "key", anchor, first });
  }

  #changed(): void {
    this.#applied += 1;
    for (const listener of this.#listeners) listener();
  }

  #current(): void {
    this.#assertConfirmed();
    this.#problem = undefined;
    const { mark, state } = this.#copy;
    if (mark === undefined) return;
    this.#tell({ type: "current", epoch: mark.epoch, number: mark.number, entries: state.size });
  }

  #connect(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    this.#tell({ type: connected ? "connected" : "disconnected" });
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    const known = error instanceof AmeshError ? error.failure : failure("unexpected_error");
    this.#problem = known;
    const type = known.code === "feed_forked" ? "forked" : "failed";
    this.#tell({ type, code: known.code, reason: known.detail });
  }

  #tell(event: FeedEvent): void {
    tell(this.#options.observe, event);
  }
}

const isOtherKey = (error: unknown): boolean =>
  error instanceof AmeshError && error.code === "feed_key_changed";
