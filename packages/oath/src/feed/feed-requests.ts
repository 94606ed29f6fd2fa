import { AmeshError, describeNetworkFailure, type JsonValue } from "@authmesh/core";
import { listOf, oneOf, record, text, withCode } from "@authmesh/core/records";
import { urlAt } from "../issuer/configured-url.js";
import { fetchJson } from "../issuer/fetch-json.js";
import type { Schedule } from "../timing/unreferenced-timer.js";
import { within } from "../timing/within.js";
import type { FeedPosition } from "./feed-change.js";
import type { FeedName } from "./feed-copy.js";

export interface FeedRequestsOptions extends FeedName {
  /** Signs as a device that may read the feed. */
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds for an answer to begin, and for the whole of a short one. */
  readonly timeoutMs: number;
  /** Ends whatever is under way. */
  readonly signal: AbortSignal;
  /** Waits for the next piece of a body. */
  readonly schedule: Schedule;
  /** Milliseconds, of a clock that only grows. */
  readonly monotonic: () => number;
}

/** The deltas since a position, as JWSs. */
export interface KnownPage {
  readonly gone?: never;
  readonly head: string;
  readonly deltas: readonly string[];
  /** Whether there are more than these. */
  readonly more: boolean;
}
export type FeedPage = KnownPage | { readonly gone: true };

/** A body as it arrives. Whoever leaves the loop ends it. */
export type FeedBody = AsyncIterable<Uint8Array>;

/** How long a body may take, in milliseconds. */
export interface BodyPatience {
  /** Between two pieces. */
  readonly pauseMs: number;
  readonly wholeMs: number;
}

/** As many as a page may hold, and more than an authority puts there. */
const mostDeltas = 1000;
const mostPageBytes = 16 << 20;

const jws = text(/^[\x21-\x7e]+$/, "a JWS");
const readPage = record({ head: jws, deltas: listOf(jws, mostDeltas), more: oneOf(true, false) });

/**
 * How a verifier asks for a feed (docs/protocol.md, section 9.3). Everything it gets is foreign: statements are
 * verified by who asked.
 *
 * Every method raises AmeshError `authority_unreachable`, or `feed_malformed` for an answer that cannot be read.
 */
export class FeedRequests {
  readonly #options: FeedRequestsOptions;

  constructor(options: FeedRequestsOptions) {
    this.#options = options;
  }

  /** What `FeedKeys.learn` takes. */
  async keys(): Promise<JsonValue | undefined> {
    return (await this.#json("/v1/feeds/key")).value;
  }

  async deltas({ epoch, number }: FeedPosition): Promise<FeedPage> {
    const { status, value } = await this.#json(this.#path(`deltas?after=${epoch}.${number}`), 410);
    if (status === 410) return { gone: true };
    return withCode(() => readPage(value ?? null, ""), "feed_malformed", "The deltas of the trust feed");
  }

  snapshot({ pauseMs, wholeMs }: BodyPatience): Promise<FeedBody> {
    const { monotonic } = this.#options;
    return this.#open(this.#path("snapshot"), { "accept-encoding": "gzip" }, () => {
      const until = monotonic() + wholeMs;
      return () => Math.min(pauseMs, until - monotonic());
    });
  }

  /** @param after what is known already; @param leftMs for how long the next piece may be waited for, at each moment */
  events({ epoch, number }: FeedPosition, leftMs: () => number): Promise<FeedBody> {
    const headers = { accept: "text/event-stream", "last-event-id": `${epoch}.${number}` };
    return this.#open(this.#path("events"), headers, () => leftMs);
  }

  #path(rest: string): string {
    return `/v1/feeds/${encodeURIComponent(this.#options.feed)}/${rest}`;
  }

  async #json(path: string, also?: number) {
    const { fetch, timeoutMs, signal } = this.#options;
    const url = urlAt(this.#options.iss, path);
    const answer = await fetchJson(url, {
      fetch,
      timeoutMs,
      signal,
      maxBytes: mostPageBytes,
      failAs: "authority_unreachable",
    });
    if (answer.status !== 200 && answer.status !== also) throw answered(url, answer.status);
    return answer;
  }

  /** @param begin called when the answer begins, for how long each of its pieces may be waited for */
  async #open(path: string, headers: Record<string, string>, begin: () => () => number): Promise<FeedBody> {
    const { fetch, timeoutMs, signal, schedule } = this.#options;
    const url = urlAt(this.#options.iss, path);
    const ending = new AbortController();
    const end = () => ending.abort();
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    const release = () => {
      signal.removeEventListener("abort", end);
      end();
    };
    try {
      const init = { headers, redirect: "manual", signal: ending.signal } as const;
      const response = await within(timeoutMs, fetch(url, init));
      if (response.status !== 200) throw answered(url, response.status);
      const leftMs = begin();
      const next = <Read>(reading: Promise<Read>) => within(Math.max(0, leftMs()), reading, schedule);
      return pieces(response, url, next, release);
    } catch (error) {
      release();
      throw asFailure(error, url);
    }
  }
}

async function* pieces(
  { body }: Response,
  url: URL,
  next: <Read>(reading: Promise<Read>) => Promise<Read>,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    const reader = body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await next(reader.read());
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw asFailure(error, url);
  } finally {
    release();
  }
}

function answered(url: URL, status: number): AmeshError {
  const fix = fixes.get(status);
  const detail = `${url.origin}${url.pathname}: it answers ${status}.`;
  return new AmeshError("authority_unreachable", detail, fix === undefined ? {} : { fix });
}

const mayNot = "The device must be enrolled in the account, and hold feed:r.";

/** What mends it, by what an authority answers. */
const fixes: ReadonlyMap<number, string> = new Map([
  ...[400, 401, 403, 404].map((status) => [status, mayNot] as const),
  [
    429,
    "Too many verifiers follow the feed as this device (100 streams), or all together: give some an identity of their own.",
  ],
]);

const asFailure = (error: unknown, url: URL): AmeshError =>
  error instanceof AmeshError
    ? error
    : new AmeshError(
        "authority_unreachable",
        `${url.origin}${url.pathname}: ${describeNetworkFailure(error) ?? "there is no answer"}.`,
      );
