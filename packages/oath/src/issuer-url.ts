const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Why a text is no issuer: an https URL without query, fragment and password; http only for loopback. A plain
 * half-sentence.
 */
export function issuerProblem(text: string): string | undefined {
  if (typeof text !== "string" || !URL.canParse(text)) return `${JSON.stringify(text)} is no URL`;
  const url = new URL(text);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback.test(url.hostname)))
    return `${JSON.stringify(text)} is neither https nor on loopback`;
  if (/[?#]/.test(text) || url.username !== "" || url.password !== "" || !/^[\x21-\x7e]{1,512}$/.test(text))
    return `${JSON.stringify(text)} has a query, a fragment, a user or more than 512 characters`;
  return undefined;
}
