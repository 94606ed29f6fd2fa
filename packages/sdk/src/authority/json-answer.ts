import {
  AmeshError,
  describeNetworkFailure,
  isJsonObject,
  type JsonObject,
  parseStrictJson,
  readBody,
} from "@authmesh/core";

export interface Answer {
  readonly status: number;
  /** Empty where the answer is no JSON object. */
  readonly body: JsonObject;
}

export interface Question extends RequestInit {
  readonly fetch: typeof globalThis.fetch;
}

const timeoutMs = 10_000;

/**
 * Asks a service for JSON. What goes there may be a secret, so it goes to that one place: redirects are not followed.
 *
 * @param maxBytes of the answer
 * @throws AmeshError `service_unreachable`, `service_error`; the reason of the signal that was given
 */
export async function ask(
  url: URL,
  { fetch, signal, ...init }: Question,
  maxBytes = 65_536,
): Promise<Answer> {
  const time = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      ...init,
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, time]) : time,
    });
    return await readAnswer(url, response, maxBytes);
  } catch (cause) {
    throw unreachable(url, cause);
  }
}

/** @throws AmeshError `service_error` for one that is too long */
export async function readAnswer(url: URL, response: Response, maxBytes: number): Promise<Answer> {
  const bytes = await readBody(response, maxBytes);
  if (bytes === undefined)
    throw new AmeshError("service_error", `The answer of ${url.origin} is longer than ${maxBytes} bytes.`);
  const { value } = parseStrictJson(bytes, { maxLength: maxBytes });
  return { status: response.status, body: isJsonObject(value) ? value : {} };
}

/** `service_unreachable` for what the network fails with; anything else as it is. */
export function unreachable(url: URL, cause: unknown): unknown {
  const reason = describeNetworkFailure(cause);
  return reason === undefined
    ? cause
    : new AmeshError("service_unreachable", `${url.origin} cannot be reached: ${reason}.`, { cause });
}
