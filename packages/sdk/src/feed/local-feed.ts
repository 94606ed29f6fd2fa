import { AmeshError, type Failure, failure } from "@authmesh/core";
import {
  type FeedAnchor,
  type FeedEvent,
  FeedState,
  type FeedStatus,
  type FollowedFeed,
  followFeed,
  type KeptFeed,
} from "@authmesh/oath/feed";
import { unreferencedTimer } from "@authmesh/oath/timing";
import type { Logger } from "../logger.js";
import { warnOnce } from "../warn-once.js";
import type { FeedPlace } from "./authority-option.js";
import { FeedFiles } from "./feed-files.js";
import { type FeedPin, leadsToPin } from "./feed-pin.js";
import { FeedSigner } from "./feed-signer.js";
import type { AccountFeed } from "./united-trust.js";

const retryMs = 1000;
/** The longest pause before it is tried again while nobody asks. */
const mostRetryMs = 30_000;
/** Between two writes of a copy that changed. */
const writeEveryMs = 5000;
/** The share of its life after which a copy is written for its age alone. */
const youngerEvery = 1 / 12;

export interface LocalFeedOptions extends FeedPlace {
  /** Of the identity that signs, and beside which the copy is kept. Default: AUTH_MESH_DIR, else ~/.amesh. */
  readonly folder: string | undefined;
  readonly logger: Logger;
}

/**
 * A feed of an authority, as this machine follows and keeps it. Opened in the background; until it is, and whenever it
 * is too old, it says why nothing may be decided.
 */
export class LocalFeed implements AccountFeed {
  readonly #options: LocalFeedOptions;
  #opening: Promise<void> | undefined;
  #feed: FollowedFeed | undefined;
  #failure: Failure;
  #retryAt = 0;
  #retries = 0;
  #stopRetry: () => void = () => {};
  #problem = "";
  #files: FeedFiles | undefined;
  #goingOver: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #pausing = false;
  #written: KeptFeed | undefined;
  #closed = false;
  readonly #listeners = new Set<() => void>();

  constructor(options: LocalFeedOptions) {
    this.#options = options;
    this.#failure = failure("trust_stale", `${options.url} was not asked for ${options.feed} yet.`);
  }

  /** Resolves, never rejects, when there is a copy to decide by or the attempt to get one failed. */
  async ready(): Promise<void> {
    if (this.#feed === undefined && !this.#closed && performance.now() >= this.#retryAt) {
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
    }
    await this.#opening;
    await this.#feed?.ready();
  }

  get state(): FeedState {
    return this.#feed?.state ?? nothing;
  }

  get status(): FeedStatus {
    const { url, feed } = this.#options;
    const unopened = {
      position: undefined,
      entries: 0,
      applied: 0,
      ageSeconds: Number.POSITIVE_INFINITY,
    } as const;
    return (
      this.#feed?.status ?? {
        ...unopened,
        authority: url,
        feed,
        stale: true,
        connected: false,
        problem: this.#failure,
      }
    );
  }

  check(): Failure | undefined {
    return this.#feed === undefined ? this.#failure : this.#feed.check();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Lets go, and writes down what it knows. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopRetry();
    await this.#opening;
    this.#feed?.close();
    await this.#goingOver;
    await this.#write();
  }

  async #open(): Promise<void> {
    const { folder, logger, url, feed, maxStaleSeconds } = this.#options;
    try {
      const signer = await FeedSigner.open(folder, logger);
      const files = await FeedFiles.of(signer.identity);
      const pin = this.#readPin(files);
      const kept = await this.#readCopy(files);
      if (this.#closed) return;
      this.#files = files;
      this.#written = kept;
      this.#feed = followFeed({
        authority: { url, key: pin ?? this.#options.key },
        feed,
        maxStaleSeconds,
        kept,
        fetch: signer.fetch,
        observe: (event) => this.#observe(event, signer),
      });
      this.#feed.onChange(() => {
        for (const listener of this.#listeners) listener();
      });
    } catch (error) {
      const known = asFailure(error);
      this.#failure = known.status > 0 ? known : failure("verifier_not_ready", known.detail, known.fix);
      this.#complain(`${feed} of ${url} cannot be followed: ${known.detail}`, known);
      this.#retry();
    } finally {
      this.#retryAt = performance.now() + retryMs;
    }
  }

  /** A server that is asked nothing before its health check says yes would never be tried again otherwise. */
  #retry(): void {
    this.#stopRetry();
    if (this.#closed) return;
    const pauseMs = Math.min(mostRetryMs, retryMs * 2 ** this.#retries++);
    this.#stopRetry = unreferencedTimer(() => {
      // A timer may be early, by less than a millisecond: it must try all the same, since nothing else may ever.
      this.#retryAt = 0;
      void this.ready();
    }, pauseMs);
  }

  /** What the configured key led to. Where none is configured, nobody but a person may pin another one. */
  #readPin(files: FeedFiles): FeedPin | undefined {
    const { url, key, logger } = this.#options;
    try {
      const pin = files.readPin(url);
      return pin !== undefined && (key === undefined || leadsToPin(key, pin)) ? pin : undefined;
    } catch (error) {
      if (key === undefined) throw error;
      logger.warn(`what was kept of the feed key of ${url} is left aside: ${asFailure(error).detail}`);
      return undefined;
    }
  }

  /** Everything in it can be had again. */
  async #readCopy(files: FeedFiles): Promise<KeptFeed | undefined> {
    const { url, feed, logger } = this.#options;
    try {
      return await files.readCopy({ iss: url, feed });
    } catch (error) {
      logger.warn(`the kept copy of ${feed} of ${url} is left aside: ${asFailure(error).detail}`);
      return undefined;
    }
  }

  #observe(event: FeedEvent, signer: FeedSigner): void {
    const { url, feed, key, logger } = this.#options;
    if (event.type === "current") {
      if (this.#problem !== "") logger.warn(`${feed} of ${url} is up to date again`);
      this.#problem = "";
      this.#keep();
    } else if (event.type === "key") {
      // Each feed of the authority comes to the key by itself.
      if (event.first && key === undefined)
        warnOnce(
          logger,
          `the feed key ${event.anchor.key.kid} of ${url} is pinned at first sight; name it as the key of authority to be sure`,
        );
      if (!event.first) warnOnce(logger, `${url} signs its feed with ${event.anchor.key.kid} from now on`);
      void this.#pin(event.anchor);
    } else if (event.type === "failed" || event.type === "forked") {
      this.#complain(`${feed} of ${url} cannot be brought up to date: ${event.reason}`, event);
      this.#goingOver ??= this.#goOver(signer).finally(() => {
        this.#goingOver = undefined;
      });
    } else logger.debug(`${feed} of ${url}: ${event.type}`);
  }

  async #pin(anchor: FeedAnchor): Promise<void> {
    const { url, key } = this.#options;
    try {
      await this.#files?.writePin({ url, from: key ?? "", ...anchor });
    } catch (error) {
      this.#complain(`the feed key of ${url} cannot be kept: ${asFailure(error).detail}`);
    }
  }

  /** The authority may know the key alone that took the place of this one; and only that opens later what is kept. */
  async #goOver(signer: FeedSigner): Promise<void> {
    const { url, feed, logger } = this.#options;
    try {
      if (!(await signer.goOver())) return;
      const { identity } = signer.identity;
      logger.warn(`${feed} of ${url} is asked for as ${identity.deviceId} from now on`);
      this.#files = await FeedFiles.of(signer.identity);
      this.#written = undefined;
      const anchor = this.#feed?.anchor;
      if (anchor !== undefined) await this.#pin(anchor);
    } catch (error) {
      this.#complain(`${feed} of ${url} cannot be asked for by another key: ${asFailure(error).detail}`);
    }
  }

  /** Once, and not again while it lasts. */
  #complain(problem: string, about: { readonly code?: string; readonly fix?: string } = {}): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#options.logger.error(problem, { code: about.code, fix: about.fix });
  }

  /** With pauses; what comes meanwhile is in the next write. */
  #keep(): void {
    if (this.#pausing || !this.#isWorthWriting(this.#feed?.kept)) return;
    this.#pausing = true;
    void this.#write();
    unreferencedTimer(() => {
      this.#pausing = false;
      this.#keep();
    }, writeEveryMs);
  }

  async #write(): Promise<void> {
    await this.#writing;
    const kept = this.#feed?.kept;
    if (kept === undefined || !this.#isWorthWriting(kept)) return;
    const { url, feed } = this.#options;
    this.#writing = this.#files?.writeCopy({ iss: url, feed }, kept).then(
      () => {
        this.#written = kept;
      },
      (error: unknown) =>
        this.#complain(`the copy of ${feed} of ${url} cannot be kept: ${asFailure(error).detail}`),
    );
    await this.#writing;
  }

  #isWorthWriting(kept: KeptFeed | undefined): boolean {
    if (kept === undefined) return false;
    const { mark, headAt = 0, key } = kept;
    const before = this.#written;
    if (key !== before?.key) return true;
    if (mark.epoch !== before?.mark.epoch || mark.number !== before.mark.number) return true;
    return headAt - (before.headAt ?? 0) >= this.#options.maxStaleSeconds * youngerEvery;
  }
}

const nothing = new FeedState();

const asFailure = (error: unknown): Failure =>
  error instanceof AmeshError
    ? error.failure
    : failure("unexpected_error", error instanceof Error ? error.message : String(error));
