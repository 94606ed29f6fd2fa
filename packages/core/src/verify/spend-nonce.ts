import { AmeshError, type Failure, failure, quoteForeign } from "../errors.js";
import { isoTime } from "../iso-time.js";
import type { NonceStore } from "../nonce-store.js";

/** A nonce on its way into the store. */
export interface SpentNonce {
  /** What stands before its last colon is the owner whose share is counted: `KIND:DEVICEID:NONCE`. */
  readonly name: string;
  /** When the request was signed, in Unix seconds, as its proof says. */
  readonly signedAt: number;
  readonly windowSeconds: number;
}

export interface SpendSettings {
  readonly nonces: NonceStore;
  readonly clockSkewSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What clocks of instances that share a store may differ by, in seconds. */
const instancesDiffer = 10;

/** How long after its last acceptable second a nonce is kept, in seconds; one of them is for rounding. */
export const keptLonger = instancesDiffer + 1;

/**
 * Records a nonce, or says why the request may be a replay: `replay_detected`, `replay_epoch`,
 * `replay_store_unavailable`.
 *
 * @param request remembers the nonce, so that it may pass a second verifier on its way through one server
 * @throws AmeshError what the store throws
 */
export async function spendNonce(
  request: { recordedNonce?: string | undefined },
  { name, signedAt, windowSeconds }: SpentNonce,
  settings: SpendSettings,
): Promise<Failure | undefined> {
  const before = maybeForgotten(signedAt, settings);
  if (before !== undefined) return before;
  if (request.recordedNonce === name) return undefined;
  let fresh: boolean;
  try {
    fresh = await recorded(settings.nonces, name, windowSeconds);
  } catch (error) {
    // A store that finds only now that it forgot cannot say when the caller may come again. This can.
    const found = maybeForgotten(signedAt, settings);
    if (found !== undefined) return found;
    throw error;
  }
  if (!fresh) return failure("replay_detected");
  // Again: it may be by this question that a shared store finds out what it has forgotten.
  const after = maybeForgotten(signedAt, settings);
  if (after !== undefined) return after;
  request.recordedNonce = name;
  return undefined;
}

/** Why a request that is signed at this moment would be refused, whatever its nonce: `replay_store_unavailable`. */
export const spendingProblem = (settings: SpendSettings): Failure | undefined =>
  settings.nonces.check?.() ?? maybeLost(Math.floor(settings.now() / 1000), settings);

/** Whether the store may have accepted a request of this time and not know it any more. */
function maybeForgotten(signedAt: number, settings: SpendSettings): Failure | undefined {
  const { acceptsFrom } = settings.nonces;
  if (acceptsFrom !== undefined && signedAt <= acceptsFrom) return failure("replay_epoch");
  return maybeLost(signedAt, settings);
}

function maybeLost(
  signedAt: number,
  { nonces: { forgotAt }, clockSkewSeconds, now }: SpendSettings,
): Failure | undefined {
  if (forgotAt === undefined) return undefined;
  const last = forgotAt + clockSkewSeconds + instancesDiffer;
  if (signedAt > last) return undefined;
  return {
    ...failure(
      "replay_store_unavailable",
      `The nonce store lost its memory at ${isoTime(forgotAt)}; what is stamped up to ${isoTime(last)} may have been accepted before.`,
      "Sign the request again after that; the store is at work. Find out why it was restarted, replaced or emptied.",
    ),
    retryAfterSeconds: Math.max(1, last + 1 - Math.floor(now() / 1000)),
  };
}

/** A store that fails in its own words is a store that cannot be asked. */
async function recorded(nonces: NonceStore, nonce: string, windowSeconds: number): Promise<boolean> {
  try {
    return await nonces.checkAndRecord(nonce, windowSeconds);
  } catch (cause) {
    if (cause instanceof AmeshError) throw cause;
    // Not its message, which may hold an address with a password in it.
    const kind = cause instanceof Error ? ((cause as { code?: unknown }).code ?? cause.name) : typeof cause;
    throw new AmeshError(
      "replay_store_unavailable",
      `The nonce store failed: ${quoteForeign(String(kind))}.`,
      { cause },
    );
  }
}
