import {
  AmeshError,
  concatBytes,
  describeNetworkFailure,
  isJsonObject,
  type JsonObject,
  parseStrictJson,
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
    const bytes = await readBody(response);
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

/** Undefined when it is too long. */
async function readBody(response: Response): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) return undefined; // leaving the loop cancels the rest
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}
