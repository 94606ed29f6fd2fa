import { AmeshError } from "@authmesh/core";
import { type FetchJsonOptions, fetchJson } from "./issuer/fetch-json.js";
import { type FetchedKeys, IssuerKeys } from "./issuer/issuer-keys.js";
import { type ImportKey, readJwkSet } from "./issuer/jwk-set.js";
import { type JwksIssuer, jwksLocation } from "./issuer/jwks-location.js";
import { maxAgeOf } from "./issuer/max-age.js";
import { tell } from "./issuer/tell.js";
import { importIssuerKey } from "./issuer-key.js";
import type { IssuerKey } from "./keys.js";
import { type Clocks, systemClocks } from "./timing/age.js";
import { unreferencedTimer } from "./timing/unreferenced-timer.js";

export type { ImportKey, JwksIssuer };

export interface JwksSourceOptions extends Partial<Clocks> {
  /** The issuers that are trusted, as they stand in `iss`, or with where their keys are. */
  readonly issuers: readonly (string | JwksIssuer)[];
  /** Default: the runtime's. */
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds for one answer of an issuer. Default 5000. */
  readonly timeoutMs?: number;
  /** Calls back after some milliseconds. Default: a timer that keeps no process alive. */
  readonly schedule?: (callback: () => void, ms: number) => () => void;
  /** Called with what happens, for logs and metrics. */
  readonly observe?: (event: JwksEvent) => void;
}

/** What a source tells those who watch it. */
export type JwksEvent =
  | { readonly type: "fetched"; readonly issuer: string; readonly kids: readonly string[] }
  | { readonly type: "failed"; readonly issuer: string; readonly reason: string };

/** A `KeySource` over JWK Sets, whatever the kind of key. */
export interface JwksSource<Key> {
  find(issuer: string, kid: string): Key | undefined | Promise<Key | undefined>;
  preWarm(): Promise<void>;
  close(): void;
}

const maxBytes = 64 * 1024;

/**
 * The keys of the trusted issuers, from their JWK Sets (docs/protocol.md, section 8.7). They are fetched ahead of their age
 * (Cache-Control, from one minute to one hour; five minutes by default), one fetch at a time, and used for 24 hours
 * at most while the issuer is away. A key that is in no set makes it fetch once in 30 s, however many are asked for.
 * Needs nothing but fetch: it runs on edge runtimes, where keys are fetched when they are used if timers do not last.
 *
 * @example
 * const keys = createJwksSource({ issuers: ["https://issuer.example"] });
 * await keys.preWarm();
 *
 * With `importKey` it makes other kinds of keys, as of an OIDC provider. `find` and `preWarm` raise AmeshError `issuer_unreachable`. An issuer that is not among `issuers` has no keys.
 *
 * @throws TypeError for URLs that keys may not come from: anything but https, or http on loopback
 */
export function createJwksSource<Key>(
  options: JwksSourceOptions & { readonly importKey: ImportKey<Key> },
): JwksSource<Key>;
export function createJwksSource(options: JwksSourceOptions): JwksSource<IssuerKey>;
export function createJwksSource(
  options: JwksSourceOptions & { readonly importKey?: ImportKey<unknown> },
): JwksSource<unknown> {
  const { importKey = importIssuerKey } = options;
  // The letters of one text would be taken for URLs.
  if (!Array.isArray(options.issuers))
    throw new TypeError("The trusted issuers must be an array of one or several URLs.");
  const closing = new AbortController();
  const sources = new Map<string, IssuerKeys<unknown>>();
  for (const each of options.issuers) {
    const issuer = typeof each === "string" ? { issuer: each } : each;
    sources.set(issuer.issuer, keysOf(issuer, importKey, options, closing.signal));
  }
  return {
    find: (issuer, kid) => sources.get(issuer)?.find(kid),
    async preWarm() {
      const fetched = await Promise.allSettled([...sources.values()].map((keys) => keys.refresh()));
      for (const each of fetched) if (each.status === "rejected") throw each.reason;
    },
    close() {
      for (const keys of sources.values()) keys.close();
      closing.abort();
    },
  };
}

function keysOf<Key>(
  issuer: JwksIssuer,
  importKey: ImportKey<Key>,
  options: JwksSourceOptions,
  signal: AbortSignal,
): IssuerKeys<Key> {
  const { fetch = globalThis.fetch, timeoutMs = 5000, observe } = options;
  const locate = jwksLocation(issuer);
  const request: FetchJsonOptions = { fetch, timeoutMs, maxBytes, signal, failAs: "issuer_unreachable" };
  const get = async (): Promise<FetchedKeys<Key>> => {
    const url = await locate(request);
    const { status, value, headers } = await fetchJson(url, request);
    if (status !== 200)
      throw new AmeshError("issuer_unreachable", `${url.origin}${url.pathname}: it answers ${status}.`);
    return { keys: readJwkSet(value, importKey), maxAgeMs: maxAgeOf(headers) };
  };
  const fetchKeys = async () => {
    try {
      const fetched = await get();
      tell(observe, { type: "fetched", issuer: issuer.issuer, kids: [...fetched.keys.keys()] });
      return fetched;
    } catch (error) {
      const reason = error instanceof AmeshError ? error.message : "something unexpected";
      tell(observe, { type: "failed", issuer: issuer.issuer, reason });
      throw error;
    }
  };
  const { now, monotonic } = systemClocks;
  return new IssuerKeys({
    fetchKeys,
    now: options.now ?? now,
    monotonic: options.monotonic ?? monotonic,
    schedule: options.schedule ?? unreferencedTimer,
  });
}
