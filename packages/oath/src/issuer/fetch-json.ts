import {
  AmeshError,
  describeNetworkFailure,
  type JsonValue,
  parseStrictJson,
  readBody,
} from "@authmesh/core";
import { within } from "../timing/within.js";

export interface FetchJsonOptions {
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds for all of it: connection, headers, and body. */
  readonly timeoutMs: number;
  /** Bytes of the body, as they are once decompressed. */
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal;
  /** What is raised. */
  readonly failAs: "issuer_unreachable" | "revocation_unavailable" | "authority_unreachable";
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined for any other status than 200. */
  readonly value: JsonValue | undefined;
}

/**
 * Gets JSON from a server that is trusted for what it says and not for how it behaves (docs/protocol.md, section 8.7):
 * bounded in time and size, never redirected, read strictly whatever its content type. Needs fetch and AbortSignal.
 *
 * @throws AmeshError `failAs`
 */
export async function fetchJson(url: URL, options: FetchJsonOptions): Promise<JsonAnswer> {
  const { fetch, timeoutMs, maxBytes, headers, signal, failAs } = options;
  const ending = new AbortController();
  const end = () => ending.abort();
  // AbortSignal.any is not on edge runtimes, and would leave something behind at each question.
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  const fail = (reason: string) => new AmeshError(failAs, `${url.origin}${url.pathname}: ${reason}.`);
  const get = async (): Promise<JsonAnswer> => {
    const response = await fetch(url, {
      headers: { accept: "application/json", ...headers },
      redirect: "manual",
      signal: ending.signal,
    });
    const { status } = response;
    if (status !== 200) return { status, headers: response.headers, value: undefined };
    const body = await readBody(response, maxBytes);
    if (body === undefined) throw fail(`the answer is larger than ${maxBytes} bytes`);
    const { value, problem } = parseStrictJson(body, { maxLength: maxBytes });
    if (problem !== undefined) throw fail(`the answer cannot be read: ${problem}`);
    return { status, headers: response.headers, value };
  };
  try {
    return await within(timeoutMs, get());
  } catch (error) {
    throw error instanceof AmeshError ? error : fail(describeNetworkFailure(error) ?? "there is no answer");
  } finally {
    signal?.removeEventListener("abort", end);
    end(); // whatever is left of the answer, nobody reads it
  }
}
