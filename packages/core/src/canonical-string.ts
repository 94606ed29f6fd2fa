import { crypto } from "#crypto";
import { utf8 } from "./encoding.js";

/**
 * The text that a signature of protocol version 1 covers (docs/protocol.md, section 2): six lines, no newline at
 * the end.
 *
 * @param method HTTP method; upper-cased
 * @param target path and query as sent; query parameters are sorted by name, the path stays untouched
 * @param timestamp Unix seconds, decimal
 * @param nonce as in the header
 * @param body raw body; a string stands for its UTF-8 bytes, nothing for an empty body
 *
 * @example
 * buildCanonicalString("POST", "/api/orders?b=2&a=1", "1743160800", "myNonce", '{"amount":100}')
 * // AMv1
 * // POST
 * // /api/orders?a=1&b=2
 * // 1743160800
 * // myNonce
 * // <lower-case hex SHA-256 of the body>
 */
export function buildCanonicalString(
  method: string,
  target: string,
  timestamp: string,
  nonce: string,
  body: string | Uint8Array = "",
): string {
  const bodyHash = crypto.sha256Hex(typeof body === "string" ? utf8(body) : body);
  return canonicalString(method, target, timestamp, nonce, bodyHash);
}

export function canonicalString(
  method: string,
  target: string,
  timestamp: string,
  nonce: string,
  bodyHash: string,
): string {
  return `AMv1\n${method.toUpperCase()}\n${canonicalTarget(target)}\n${timestamp}\n${nonce}\n${bodyHash}`;
}

/** Path verbatim; query parsed, stably sorted by name and written again as WHATWG URLSearchParams does. */
export function canonicalTarget(target: string): string {
  const mark = target.indexOf("?");
  if (mark < 0) return target;
  // With the mark: the constructor drops one leading "?", and "/p??a" must not be taken for "/p?a".
  const query = new URLSearchParams(target.slice(mark));
  query.sort();
  const sorted = query.toString();
  return sorted === "" ? target.slice(0, mark) : `${target.slice(0, mark)}?${sorted}`;
}
