import { AmeshError, type ErrorCode } from "@authmesh/core";

/** What undici and Node.js call it. Whatever else breaks a connection stands in no list. */
const codes: Readonly<Record<string, ErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: "upstream_timeout",
  UND_ERR_HEADERS_TIMEOUT: "upstream_timeout",
  UND_ERR_BODY_TIMEOUT: "upstream_timeout",
  ETIMEDOUT: "upstream_timeout",
  UND_ERR_HEADERS_OVERFLOW: "upstream_garbled",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "upstream_garbled",
  // The caller's, where the head or the body cannot be written as HTTP/1.1.
  UND_ERR_INVALID_ARG: "ambiguous_request",
  UND_ERR_NOT_SUPPORTED: "ambiguous_request",
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: "body_incomplete",
};

/**
 * What the caller is told of a failed exchange with an upstream. What it was in truth is the cause, for the log.
 *
 * @param began whether bytes of an answer had arrived
 */
export function upstreamFailure(error: Error & { code?: unknown }, began: boolean): AmeshError {
  if (error instanceof AmeshError) return error;
  const name = typeof error.code === "string" ? error.code : "";
  const garbled = began || name.startsWith("HPE_");
  const code = codes[name] ?? (garbled ? "upstream_garbled" : "upstream_unreachable");
  return new AmeshError(code, undefined, { cause: error });
}

/** Of an error and what led to it, for the log. */
export function reasonOf(error: AmeshError): string {
  const cause = error.cause;
  if (!(cause instanceof Error)) return error.message;
  const { code } = cause as NodeJS.ErrnoException;
  return code === undefined || cause.message.includes(code) ? cause.message : `${cause.message} (${code})`;
}
