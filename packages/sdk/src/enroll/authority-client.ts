import { AmeshError, type JsonObject } from "@authmesh/core";
import { trustworthyUrl } from "@authmesh/oath/caller";
import { within } from "@authmesh/oath/timing";
import { authorityRefusal } from "../authority/authority-refusal.js";
import { type Answer, ask, readAnswer, unreachable } from "../authority/json-answer.js";
import type { EnrollOptions } from "./options.js";

/** A page of 100 enrollments with every scope they may have. */
const maxBytes = 16 << 20;
/** Until a stream begins. */
const beginMs = 10_000;

type Method = "GET" | "POST" | "DELETE";

/**
 * Asks one authority and no other place: over TLS or on this machine, with no redirect, for a bounded time and a bounded answer.
 * What it refuses with is an error of the catalogue.
 */
export class AuthorityClient {
  /** As it is remembered: without a slash at its end. */
  readonly url: string;
  /** What is signed: scheme, host and port. */
  readonly origin: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #signal: AbortSignal | undefined;

  /** @throws AmeshError `invalid_option` */
  constructor(
    authority: string,
    { fetch = globalThis.fetch, signal }: Pick<EnrollOptions, "fetch" | "signal">,
  ) {
    const url = trustworthyUrl(authority);
    if (url === undefined || url.search !== "")
      throw new AmeshError("invalid_option", "The authority's URL is not https (or http on loopback).", {
        fix: "Write https://HOST.",
      });
    this.url = url.href.replace(/\/+$/, "");
    this.origin = url.origin;
    this.#fetch = fetch;
    this.#signal = signal;
  }

  /** The same authority, asked in another way. */
  with(options: Pick<EnrollOptions, "fetch" | "signal">): AuthorityClient {
    return new AuthorityClient(this.url, { fetch: this.#fetch, ...options });
  }

  /**
   * @param path such as "/v1/challenges"
   * @throws AmeshError `service_unreachable`, `service_error`, and what the authority refuses with
   */
  async ask(method: Method, path: string, body?: object): Promise<JsonObject> {
    const url = new URL(`${this.url}${path}`);
    const answer = await ask(url, this.#question(method, "application/json", body), maxBytes);
    return accepted(answer).body;
  }

  /** As `ask`, of an answer that may go on and on. It ends when `ending` does. */
  async stream(method: Method, path: string, ending: AbortSignal, body?: object): Promise<Response> {
    const url = new URL(`${this.url}${path}`);
    const { fetch, ...init } = this.#question(method, "text/event-stream, application/json", body);
    const signal = this.#signal ? AbortSignal.any([this.#signal, ending]) : ending;
    try {
      const response = await within(beginMs, fetch(url, { ...init, redirect: "manual", signal }));
      if (!response.ok) throw refusal(await readAnswer(url, response, maxBytes));
      return response;
    } catch (error) {
      throw unreachable(url, error);
    }
  }

  #question(method: Method, accept: string, body: object | undefined) {
    return {
      fetch: this.#fetch,
      signal: this.#signal ?? null,
      method,
      headers: { Accept: accept, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
  }
}

/** An authority tells strangers nothing, and one whose key it does not accept any more is one. */
const notLetIn =
  "See whether this machine is still enrolled: `amesh login`. If it is, the authority's log says what is amiss.";

function accepted(answer: Answer): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusal(answer);
}

/** A proxy's word for an authority that is not there is no answer of an authority. */
function refusal(answer: Answer): AmeshError {
  const { status } = answer;
  const told = authorityRefusal(answer, status === 401 ? notLetIn : undefined);
  if (told.code !== "service_error" || status < 500) return told;
  return new AmeshError("service_unreachable", told.message, { cause: told });
}
