import { AmeshError } from "./errors.js";
import { withoutTrailingDot } from "./host-binding.js";
import { targetProblem } from "./request-target.js";

/** A request as it will be sent. */
export interface OutgoingRequest {
  readonly method: string;
  /** Absolute; its `pathname + search` is signed and its host bound. */
  readonly url: URL;
  /** Raw body bytes, or text that is sent as UTF-8; empty or absent when no body is sent. */
  readonly body?: Uint8Array | string | undefined;
  /** The Content-Type that will be sent; absent when none will be. */
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
}

/** What is signed of a URL. @throws AmeshError `malformed_target` for a path that no verifier accepts */
export function targetOf(url: URL): string {
  const target = url.pathname + url.search;
  const problem = targetProblem(target);
  if (problem !== undefined)
    throw new AmeshError("malformed_target", `The path cannot be signed: ${problem}.`);
  return target;
}

/** The host a URL is for. A verifier knows the Host header and not the scheme, and takes :80 for the default. */
export const hostOf = (url: URL): string => withoutTrailingDot(url.port === "80" ? url.hostname : url.host);
