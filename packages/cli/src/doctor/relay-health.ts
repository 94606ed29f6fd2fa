import { AmeshError, parseStrictJson, readBody } from "@authmesh/core";
import { describeNetworkFailure } from "@authmesh/sdk";

/** What a relay's /health told. */
export interface RelayHealth {
  readonly url: string;
  /** How far this machine's clock is ahead of the relay's, in seconds; negative when it is behind. */
  readonly aheadSeconds: number;
  readonly roundTripMillis: number;
}

const patience = 5000;

/**
 * Asks a relay how it is and what time it has.
 *
 * @param url as `--relay` takes it: ws://HOST:3001/ws
 * @throws AmeshError `relay_unreachable`, `relay_protocol_error`
 */
export async function askRelay(url: string): Promise<RelayHealth> {
  const health = url.replace(/^ws/, "http").replace(/ws$/, "health");
  const sent = Date.now();
  const answer = await get(health);
  const received = Date.now();
  const { value } = parseStrictJson(answer ?? "");
  const time = (value as { readonly time?: unknown } | null | undefined)?.time;
  if (typeof time !== "number")
    throw new AmeshError("relay_protocol_error", `${health} does not answer as an amesh relay does.`);
  return { url, aheadSeconds: ((sent + received) / 2 - time) / 1000, roundTripMillis: received - sent };
}

async function get(url: string): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(patience) });
    return await readBody(response, 4096);
  } catch (cause) {
    const reason = describeNetworkFailure(cause);
    if (reason === undefined) throw cause;
    throw new AmeshError("relay_unreachable", `${url} cannot be reached: ${reason}.`, { cause });
  }
}
