import { AmeshError, quoteForeign } from "@authmesh/core";
import type { Environment } from "@authmesh/keystore";

/** Where two devices meet when nothing else is said. */
export const defaultRelay = "wss://relay.authmesh.dev/ws";

/**
 * The URL of the relay: what is given, else `AMESH_RELAY_URL`, else {@link defaultRelay}
 * (docs/protocol.md, section 6). Empty counts as not given.
 *
 * @example
 * relayUrl("ws://127.0.0.1:3001/ws"); // "ws://127.0.0.1:3001/ws"
 *
 * @throws AmeshError `invalid_option` for anything but `ws:` or `wss:`, a host and a path that ends in `/ws`
 */
export function relayUrl(option?: string, env: Environment = process.env): string {
  const text = option || env["AMESH_RELAY_URL"] || defaultRelay;
  if (!URL.canParse(text)) throw notARelay(`${quoteForeign(text)} is not a URL.`);
  const url = new URL(text);
  // Not repeated in the error: it holds a password.
  if (url.username !== "" || url.password !== "") throw notARelay("A relay's URL names no user.");
  const fits = /^wss?:$/.test(url.protocol) && url.pathname.endsWith("/ws") && !/[?#]/.test(url.href);
  if (!fits) throw notARelay(`${quoteForeign(text)} is not the URL of a relay.`);
  return url.href;
}

const notARelay = (detail: string) =>
  new AmeshError("invalid_option", detail, { fix: "Write ws://HOST:3001/ws or wss://HOST/ws." });
