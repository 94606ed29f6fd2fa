import { AmeshError } from "@authmesh/core";
import { configuredUrl, urlAt } from "./issuer/configured-url.js";
import { type FetchJsonOptions, fetchJson } from "./issuer/fetch-json.js";
import { Refresher } from "./issuer/refresher.js";
import { tell } from "./issuer/tell.js";
import { ListCopy } from "./revocation/list-copy.js";
import { type RevocationPage, readRevocationPage } from "./revocation/revocation-page.js";
import type { RevocableToken, Revocation, RevocationSource } from "./revocation.js";
import { ageOf, type Clocks, type Moment, momentOf, systemClocks } from "./timing/age.js";
import { unreferencedTimer } from "./timing/unreferenced-timer.js";

export interface PollRevocationsOptions extends Partial<Clocks> {
  /** As it stands in `iss`. */
  readonly issuer: string;
  /** Default: `issuer` and "/v1/revocations". */
  readonly url?: string;
  /** Milliseconds between two questions. Default 1000. */
  readonly intervalMs?: number;
  /** Seconds after which a list that could not be brought up to date is too old. Default 3600. */
  readonly maxStaleSeconds?: number;
  /** What becomes of tokens then: "accept" lets in what was revoked since. Default "refuse". */
  readonly whenStale?: "refuse" | "accept";
  /** Entries held at most. Default 2,000,000; an issuer with more of them is one that cannot be asked. */
  readonly maxEntries?: number;
  /** Default: the runtime's. One that signs, where the issuer shows its list only to whom it knows. */
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds for one answer. Default 5000. */
  readonly timeoutMs?: number;
  /** Calls back after some milliseconds. Default: a timer that keeps no process alive. */
  readonly schedule?: (callback: () => void, ms: number) => () => void;
  /** Called with what happens, for logs and metrics. */
  readonly observe?: (event: PollEvent) => void;
}

/** What a polled list tells those who watch it. */
export type PollEvent =
  | { readonly type: "current"; readonly generation: number; readonly entries: number }
  | { readonly type: "failed"; readonly reason: string };

/** The list of one issuer; of tokens of other issuers it knows nothing. */
export interface PolledRevocations extends RevocationSource {
  /** Seconds since the list was known to be complete; Infinity before it ever was. */
  readonly staleSeconds: number;
  /** Resolves when the list is complete. Rejects when it cannot be had. */
  preWarm(): Promise<void>;
  close(): void;
}

/** Changes in one answer: so many are read in some ten milliseconds, and fit into `maxBytes` whatever they hold. */
const changesAtOnce = 2000;
const maxBytes = 8 * 1024 * 1024;
/** Answers until an attempt counts as failed. The next one goes on where it ended. */
const mostPages = 2000;
const longestPauseMs = 30_000;
/** What an authority answers to whom it does not know. */
const refusals = new Set([400, 401, 403]);
const shownToDevices =
  "Give pollRevocations a `fetch` that signs as a device of the issuer, or run the authority with --public-revocations.";

/**
 * Keeps a copy of an issuer's revocation list by asking what changed (docs/protocol.md, section 8.7). The copy answers as long as it is
 * not older than `maxStaleSeconds`; after that, and before it was ever complete, `find` raises AmeshError
 * `revocation_unavailable`. Nothing but TLS protects the list on its way.
 *
 * @example
 * const revocations = pollRevocations({ issuer: "https://issuer.example" });
 * await revocations.preWarm();
 *
 * @throws TypeError for URLs that a list may not come from, and for options that make no sense
 */
export function pollRevocations(options: PollRevocationsOptions): PolledRevocations {
  return new PolledList(options);
}

class PolledList implements PolledRevocations {
  readonly #options: PollRevocationsOptions;
  readonly #url: URL;
  readonly #clocks: Clocks;
  readonly #intervalMs: number;
  readonly #mostStaleMs: number;
  readonly #closing = new AbortController();
  readonly #request: FetchJsonOptions;
  readonly #refresher: Refresher;
  /** The last complete one, and the one that is brought up to date: the same, unless the issuer began a new log. */
  #complete: ListCopy | undefined;
  #next: ListCopy;
  #completeAt: Moment | undefined;

  constructor(options: PollRevocationsOptions) {
    const { issuer, url, intervalMs = 1000, maxStaleSeconds = 3600, timeoutMs = 5000 } = options;
    if (!(intervalMs >= 10)) throw new TypeError("intervalMs must be at least 10.");
    if (!(maxStaleSeconds > 0)) throw new TypeError("maxStaleSeconds must be positive.");
    if (!["refuse", "accept", undefined].includes(options.whenStale))
      throw new TypeError('whenStale must be "refuse" or "accept".');
    this.#options = options;
    this.#url = url === undefined ? urlAt(issuer, "/v1/revocations") : configuredUrl("url", url);
    this.#intervalMs = intervalMs;
    this.#mostStaleMs = maxStaleSeconds * 1000;
    this.#clocks = {
      now: options.now ?? systemClocks.now,
      monotonic: options.monotonic ?? systemClocks.monotonic,
    };
    const { fetch = globalThis.fetch } = options;
    const { signal } = this.#closing;
    this.#request = { fetch, timeoutMs, maxBytes, signal, failAs: "revocation_unavailable" };
    this.#next = this.#emptyCopy();
    this.#refresher = new Refresher({
      ...this.#clocks,
      schedule: options.schedule ?? unreferencedTimer,
      refresh: () => this.#update(),
      firstPauseMs: intervalMs,
      longestPauseMs: Math.max(intervalMs, Math.min(longestPauseMs, this.#mostStaleMs / 4)),
    });
    this.#refresher.run().catch(() => {}); // It goes on trying.
  }

  get staleSeconds(): number {
    return this.#staleMs() / 1000;
  }

  find(token: RevocableToken): Revocation | undefined | Promise<Revocation | undefined> {
    if (token.iss !== this.#options.issuer) return undefined;
    const staleMs = this.#staleMs();
    const away = this.#refresher.failing;
    // Where timers do not last, those who ask keep the list fresh.
    const update = staleMs > 2 * this.#intervalMs ? this.#refresher.nudge() : undefined;
    if (staleMs <= this.#mostStaleMs) return this.#complete?.list.find(token);
    return away || update === undefined ? this.#findStale(token) : update.then(() => this.#findStale(token));
  }

  preWarm(): Promise<void> {
    return this.#refresher.run();
  }

  close(): void {
    this.#refresher.stop();
    this.#closing.abort();
  }

  #findStale(token: RevocableToken): Revocation | undefined {
    if (this.#staleMs() > this.#mostStaleMs && this.#options.whenStale !== "accept")
      throw this.#refresher.failing ? this.#refresher.failure() : new AmeshError("revocation_unavailable");
    return this.#complete?.list.find(token);
  }

  async #update(): Promise<number> {
    const { observe } = this.#options;
    try {
      await this.#catchUp();
    } catch (error) {
      const reason = error instanceof AmeshError ? error.message : "something unexpected";
      tell(observe, { type: "failed", reason });
      throw error;
    }
    const { generation, list } = this.#next;
    tell(observe, { type: "current", generation, entries: list.size });
    return this.#intervalMs;
  }

  async #catchUp(): Promise<void> {
    // Of an attempt that failed halfway it is not known how long ago that was.
    let from = this.#next.generation;
    for (let asked = 0; asked < mostPages; asked++) {
      const at = momentOf(this.#clocks);
      const page = await this.#ask(this.#next, from);
      if (page === "gone" || (page !== "unchanged" && !this.#next.apply(page))) {
        this.#next = this.#emptyCopy();
        from = 0;
      } else if (page === "unchanged" || !page.more) {
        this.#complete = this.#next;
        this.#completeAt = at;
        return;
      }
    }
    throw new AmeshError("revocation_unavailable", `The list is not complete after ${mostPages} answers.`);
  }

  async #ask({ generation, tag }: ListCopy, from: number): Promise<RevocationPage | "unchanged" | "gone"> {
    const url = new URL(this.#url);
    url.searchParams.set("after", String(generation));
    if (from !== generation) url.searchParams.set("from", String(from));
    url.searchParams.set("limit", String(changesAtOnce));
    const headers: Record<string, string> = tag === undefined ? {} : { "if-none-match": tag };
    const { status, value } = await fetchJson(url, { ...this.#request, headers });
    if (status === 304 && tag !== undefined) return "unchanged";
    if (status === 410 && tag !== undefined) return "gone";
    if (status !== 200)
      throw new AmeshError(
        "revocation_unavailable",
        `${url.origin}${url.pathname}: it answers ${status}.`,
        refusals.has(status) ? { fix: shownToDevices } : {},
      );
    return readRevocationPage(value, this.#options.issuer, generation);
  }

  #emptyCopy(): ListCopy {
    const { maxEntries } = this.#options;
    return new ListCopy({ ...this.#clocks, ...(maxEntries === undefined ? {} : { maxEntries }) });
  }

  #staleMs(): number {
    return this.#completeAt === undefined ? Number.POSITIVE_INFINITY : ageOf(this.#completeAt, this.#clocks);
  }
}
