import {
  type ErrorCode,
  type Failure,
  failure,
  networkReason,
  quoteForeign,
  type RelayClosing,
} from "@authmesh/core";
import { defaultRelay } from "./relay-url.js";

/** Whatever goes wrong between a device and its relay, as a failure of the catalogue. */

/** @param what "nothing listens there" */
export function unreachable(url: string, what: string): Failure {
  const whose = url === defaultRelay ? "The default relay" : "The relay";
  return failure("relay_unreachable", `${whose} ${url} cannot be reached: ${what}.`);
}

/** @param what "HTTP 404" */
export const notARelay = (url: string, what: string): Failure =>
  failure("relay_protocol_error", `${url} does not answer as an amesh relay does: ${what}.`);

/** An error of the socket. Node names what the network did by a code; other errors are about what was said. */
export function socketFailure(url: string, error: Error): Failure {
  const code = "code" in error ? String(error.code) : "";
  if (code === "" || /^(HPE|WS_ERR)_/.test(code)) return notARelay(url, quoteForeign(error.message));
  return unreachable(url, networkReason(code));
}

const refusals: Readonly<Record<number, ErrorCode>> = { 429: "rate_limited", 503: "relay_capacity" };
const gatewayStatuses = [502, 504];

/** An HTTP answer in place of a WebSocket. */
export function httpFailure(url: string, status: number): Failure {
  const code = refusals[status];
  if (code !== undefined) return failure(code);
  return (gatewayStatuses.includes(status) ? unreachable : notARelay)(url, `HTTP ${status}`);
}

const closings: Partial<Record<RelayClosing, Failure>> = {
  peer_left: failure("pairing_peer_left"),
  done: failure("pairing_peer_left"),
  session_expired: failure("pairing_timeout"),
};

/** The reason in the closing frame; empty when the socket went without one. */
export const closingFailure = (url: string, reason: string): Failure =>
  (Object.hasOwn(closings, reason) && closings[reason as RelayClosing]) ||
  unreachable(url, "the connection ended");
