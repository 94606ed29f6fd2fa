/** What stands in a path as itself (RFC 3986, `pchar`), without `;`, behind which some servers see parameters. */
const plainText = /^[A-Za-z0-9._~!$&'()*+,=:@/-]*$/;
const hidden = /[\p{Cc}/\\%;]/u;

/**
 * Whether a path can be read in one way only: decoding it and encoding it again gives the same text. A path in which
 * an escape stands for what needs none, or for a slash; dot segments, empty segments, or anything that a server may
 * take for a slash, is not plain.
 *
 * @param path as it stands in the request target, without the query
 */
export function isPlainPath(path: string): boolean {
  if (!path.startsWith("/") || path.includes("//")) return false;
  return path.split("/").every(isPlainSegment);
}

function isPlainSegment(segment: string): boolean {
  if (segment === "." || segment === "..") return false;
  if (plainText.test(segment)) return true;
  try {
    const decoded = decodeURIComponent(segment);
    return !hidden.test(decoded) && encode(decoded) === segment;
  } catch {
    return false; // no UTF-8, or a lone surrogate
  }
}

const encode = (text: string): string =>
  text.replace(/[^A-Za-z0-9._~!$&'()*+,=:@-]/gu, (character) => encodeURIComponent(character));
