import { AmeshError, type ErrorCode } from "@authmesh/core";

export interface Perseverance {
  /** Milliseconds since the epoch; then it is given up. */
  readonly until: number;
  /** Milliseconds between the first two attempts; the next pauses are twice as long each, 10 minutes at most. */
  readonly firstPause: number;
  /** Told why an attempt failed that will be followed by another. */
  readonly onTrouble?: ((error: AmeshError) => void) | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Waits so many milliseconds. */
  readonly pause: (milliseconds: number) => Promise<unknown>;
}

const longestPause = 600_000;

/** What may be otherwise the next time: the network, the relay, and whoever else came to the meeting. */
const passing: ReadonlySet<ErrorCode> = new Set([
  "otc_expired",
  "otc_in_use",
  "otc_not_found",
  "pairing_commitment_mismatch",
  "pairing_cooldown",
  "pairing_frame_invalid",
  "pairing_identity_invalid",
  "pairing_peer_left",
  "pairing_timeout",
  "peer_already_connected",
  "rate_limited",
  "relay_capacity",
  "relay_protocol_error",
  "relay_unreachable",
]);

/**
 * Tries again and again, at growing distances, until it succeeds.
 *
 * @throws AmeshError `pairing_timeout` when time is up; at once what another attempt would not change
 */
export async function persevere<T>(attempt: () => Promise<T>, options: Perseverance): Promise<T> {
  const { until, onTrouble, now = Date.now, pause } = options;
  for (let wait = options.firstPause; ; wait = Math.min(wait * 2, longestPause)) {
    if (now() >= until)
      throw new AmeshError("pairing_timeout", "The bootstrap token has expired.", meetInTime);
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof AmeshError && passing.has(error.code))) throw error;
      onTrouble?.(error);
    }
    await pause(Math.max(0, Math.min(wait, until - now())));
  }
}

const meetInTime = {
  fix: "Make a new token, use it before it expires, and let both machines reach the relay that it names.",
};
