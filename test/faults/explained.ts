import { staleSeconds } from "./launches.js";
import type { PartName } from "./part.js";
import type { Call, Recorded } from "./record.js";

/** Codes by which parts refuse callers, for a while. */
export type Refusals = Partial<Readonly<Record<PartName, readonly string[]>>>;

/** All of them refuse by the same codes. */
export const each = (parts: readonly PartName[], ...codes: readonly string[]): Refusals =>
  Object.fromEntries(parts.map((part) => [part, codes]));

/** Seconds in which a part finds out: it is asked four times a second. */
const mostNoticed = 2;

/** What a part may answer that ends, begins, or cannot be reached well. No other code is an honest caller's. */
const whileAway: readonly string[] = [
  "trust_stale",
  "replay_store_unavailable",
  "audit_unavailable",
  "database_unavailable",
  "authority_not_ready",
  "relay_closing",
  "peer_left",
];

/** Why a call was refused: as the audit has it, which tells more than the answer. */
export function reasonsOf({ rows }: Pick<Recorded, "rows">): (call: Call) => string | undefined {
  const reasons = new Map(rows.map(({ log, id, reason }) => [`${log} ${id}`, reason]));
  return ({ target, decision, code }) => reasons.get(`${target} ${decision}`) ?? code;
}

/** Whether what goes wrong may be why a part refuses a call for this reason. */
export function isExplained({ target, sentAt, endedAt }: Call, reason: string, recorded: Recorded): boolean {
  const { refuses, disturbs, beganAt, mendedAt, recoverySeconds, servesSeconds } = recorded;
  if (endedAt < beganAt || sentAt > mendedAt + 1000 * recoverySeconds) return false;
  if (disturbs.includes(target) && whileAway.includes(reason)) return true;
  // A copy serves until it is too old.
  if (reason === "trust_stale" && endedAt < beganAt + 1000 * servesSeconds) return false;
  return refuses[target]?.includes(reason) ?? false;
}

/** Seconds from an acknowledged revocation on after which a part lets in nothing of it. */
export const boundSeconds = (
  { cutsOff, pushSeconds }: Pick<Recorded, "cutsOff" | "pushSeconds">,
  part: PartName,
): number => (cutsOff.includes(part) ? Math.max(pushSeconds, staleSeconds) : pushSeconds);

/** Seconds from the beginning of a fault after which a part that it degrades has to say so. */
export const noticedAfter = (
  { noticedSeconds, disturbs, cutsOff }: Pick<Recorded, "noticedSeconds" | "disturbs" | "cutsOff">,
  part: PartName,
): number =>
  noticedSeconds ?? (cutsOff.includes(part) && !disturbs.includes(part) ? staleSeconds : mostNoticed);

/** Whether a part is away, or refuses, by what goes wrong. */
export const isTouched = (
  { disturbs, refuses }: Pick<Recorded, "disturbs" | "refuses">,
  part: PartName,
): boolean => disturbs.includes(part) || refuses[part] !== undefined;
