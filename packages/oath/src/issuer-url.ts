const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether what comes from there comes from whom it names: https, or http on loopback; no user and no fragment. */
export const isTrustworthy = ({ protocol, hostname, username, password, hash }: URL): boolean =>
  (protocol === "https:" || (protocol === "http:" && loopback.test(hostname))) &&
  `${username}${password}${hash}` === "";

/** The URL that a text names, where that is trustworthy so; undefined for any other text. */
export function trustworthyUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && isTrustworthy(url) ? url : undefined;
}

/**
 * Why a text is no issuer: an https URL without query, fragment and password; http only for loopback. A plain
 * half-sentence.
 */
export function issuerProblem(text: string): string | undefined {
  if (typeof text !== "string" || !URL.canParse(text)) return `${JSON.stringify(text)} is no URL`;
  if (/[?#]/.test(text) || !/^[\x21-\x7e]{1,512}$/.test(text))
    return `${JSON.stringify(text)} has a query, a fragment or more than 512 characters`;
  if (trustworthyUrl(text) === undefined)
    return `${JSON.stringify(text)} is neither https nor on loopback, or it names a user`;
  return undefined;
}

/**
 * Why a text is not the URL of an authority: an issuer's that is an origin, in the one spelling that its tokens and
 * feeds have. A plain half-sentence.
 */
export function originProblem(text: string): string | undefined {
  const problem = issuerProblem(text);
  if (problem !== undefined) return problem;
  const { origin } = new URL(text);
  return origin === text ? undefined : `${JSON.stringify(text)} is not an origin, such as ${origin}`;
}
