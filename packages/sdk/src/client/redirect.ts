import { AmeshError, quoteForeign } from "@authmesh/core";

const redirects = new Set([301, 302, 303, 307, 308]);

/** Where a response sends the client next, and by which method. */
export interface Redirect {
  readonly url: URL;
  readonly method: string;
  /** Whether the body goes along. */
  readonly keepsBody: boolean;
}

/**
 * Reads a redirect as the Fetch standard does ("HTTP-redirect fetch").
 *
 * @returns `undefined` for a response that is none
 * @throws AmeshError `redirect_refused` when it leads to another origin: a signature is for one
 */
export function redirectOf(response: Response, from: URL, method: string): Redirect | undefined {
  const location = redirects.has(response.status) ? response.headers.get("location") : null;
  if (location === null) return undefined;
  const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url === undefined || url.origin !== from.origin) {
    throw new AmeshError(
      "redirect_refused",
      `${from.origin} redirects to ${quoteForeign(location)}, and a signature for one origin is never shown to another.`,
    );
  }
  const becomesGet =
    (response.status === 303 && method !== "GET" && method !== "HEAD") ||
    ((response.status === 301 || response.status === 302) && method === "POST");
  return { url, method: becomesGet ? "GET" : method, keepsBody: !becomesGet };
}
