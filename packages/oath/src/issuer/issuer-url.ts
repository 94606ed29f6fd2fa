const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * A URL that keys and lists may come from: https, or http on loopback; no user, no fragment.
 *
 * @returns undefined for any other text
 */
export function trustworthyUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const safe = url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname));
  return safe && url.username === "" && url.password === "" && url.hash === "" ? url : undefined;
}

/** @throws TypeError for what is not a URL that keys may come from */
export function configuredUrl(name: string, text: string): URL {
  const url = typeof text === "string" ? trustworthyUrl(text) : undefined;
  if (url === undefined) throw new TypeError(`${name} must be an https URL, or http on loopback.`);
  return url;
}

/** A path at an issuer, whether or not its URL ends in a slash. */
export const issuerUrl = (issuer: string, path: string): URL =>
  configuredUrl("The issuer", `${issuer.replace(/\/$/, "")}${path}`);
