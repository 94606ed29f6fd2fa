/**
 * After three failures past the reveal within ten minutes a side rests for a minute (docs/protocol.md, section 5):
 * an attacker in between has one chance in a million a handshake, and must not get many of them.
 *
 * Core keeps no state. The caller holds the list of failures: the command line in the folder of the identity,
 * because every `amesh listen` and `amesh invite` is a process of its own.
 *
 * @module
 */

const failuresToRest = 3;
const windowSeconds = 600;
const restSeconds = 60;

/**
 * The list to keep after a handshake that failed with `revealed: true`: three times at most, oldest first.
 *
 * @param failures the list kept so far
 * @param now Unix seconds, as everything in the list
 */
export function recordPairingFailure(failures: readonly number[], now: number): readonly number[] {
  return [...past(failures, now), now].slice(-failuresToRest);
}

/** Seconds until the next handshake may begin, 60 at most; 0 when it may begin now. */
export function pairingCooldown(failures: readonly number[], now: number): number {
  const counted = past(failures, now).slice(-failuresToRest);
  const [first, last] = [counted[0], counted[failuresToRest - 1]];
  if (first === undefined || last === undefined || last - first >= windowSeconds) return 0;
  return Math.max(0, last + restSeconds - now);
}

/** Times in the future come from a clock that was set back since; they count for nothing. */
function past(failures: readonly number[], now: number): readonly number[] {
  return failures.filter((time) => time <= now).sort((a, b) => a - b);
}
