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
const maxBytes = 65_536;

/**
 * Asks a service for JSON. What goes there is a secret, so it goes to that one place: redirects are not followed.
 *
 * @throws AmeshError `service_unreachable`, `service_error`
 */
export async function ask(url: URL, { fetch, ...init }: Question): Promise<Answer> {
  try {
    const response = await fetch(url, {
      ...init,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const bytes = await readBody(response, maxBytes);
    if (bytes === undefined)
      throw new AmeshError("service_error", `The answer of ${url.origin} is longer than ${maxBytes} bytes.`);
    const { value } = parseStrictJson(bytes, { maxLength: maxBytes });
    return { status: response.status, body: isJsonObject(value) ? value : {} };
  } catch (cause) {
    const reason = describeNetworkFailure(cause);
    if (reason === undefined) throw cause;
    throw new AmeshError("service_unreachable", `${url.origin} cannot be reached: ${reason}.`, { cause });
  }
}
