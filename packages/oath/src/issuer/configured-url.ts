import { issuerProblem, trustworthyUrl } from "../issuer-url.js";

/** @throws TypeError for what is not a URL that keys and lists may come from */
export function configuredUrl(name: string, text: string): URL {
  const url = trustworthyUrl(text);
  if (url === undefined) throw new TypeError(`${name} must be an https URL, or http on loopback.`);
  return url;
}

/**
 * A path at an issuer, whether or not its URL ends in a slash.
 *
 * @throws TypeError for what is no issuer
 */
export function urlAt(issuer: string, path: string): URL {
  const problem = issuerProblem(issuer);
  if (problem !== undefined) throw new TypeError(`The issuer ${problem}.`);
  return new URL(`${issuer.replace(/\/$/, "")}${path}`);
}
