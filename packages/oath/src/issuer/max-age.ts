const defaultSeconds = 300;
const shortest = 60;
const longest = 3600;
const directive = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})"?\s*(?:,|$)/i;

/** Milliseconds for which an answer may be used (RFC 9111, section 5.2.2.1), within one minute and one hour. */
export function maxAgeOf(headers: Headers): number {
  const [, seconds = defaultSeconds] = directive.exec(headers.get("cache-control") ?? "") ?? [];
  return 1000 * Math.min(longest, Math.max(shortest, Number(seconds)));
}
