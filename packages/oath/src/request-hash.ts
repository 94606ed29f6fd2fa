import { AmeshError, hostOf, type OutgoingRequest, sha256Hex, targetOf } from "@authmesh/core";

/** What a request hash is over. */
export interface HashedRequest {
  readonly method: string;
  /** As core's `normalizeHost` writes it. */
  readonly host: string;
  /** As sent: "/api/orders?b=2". */
  readonly target: string;
  /** As sent; empty when there is none. */
  readonly contentType: string;
  /** Lower-case hex SHA-256 of the body; of nothing when there is none. */
  readonly bodyHash: string;
}

/**
 * The `rqh` of a token that is good for one request (docs/protocol.md, section 8.3).
 *
 * @throws AmeshError `malformed_header` for what holds a line break or another control character
 */
export function requestHash({ method, host, target, contentType, bodyHash }: HashedRequest): string {
  const lines = ["OMv1", method.toUpperCase(), host, target, contentType, bodyHash];
  if (lines.some((line) => /\p{Cc}/u.test(line)))
    throw new AmeshError("malformed_header", "A part of the request holds a control character.");
  return `sha256:${sha256Hex(lines.join("\n"))}`;
}

/** The same of a request that is about to be sent. @throws AmeshError also `malformed_target` */
export function requestHashOf({ method, url, body, contentType = "" }: OutgoingRequest): string {
  return requestHash({
    method,
    host: hostOf(url),
    target: targetOf(url),
    contentType: contentType.trim(),
    bodyHash: sha256Hex(body ?? ""),
  });
}
