import { longestLife } from "@authmesh/oath";
import type { StateChange } from "../state-event.js";
import type { SigningKey } from "./signing-key.js";

/** Seconds that others may keep the published keys for, as the answer tells them. */
export const publishedMaxAge = 300;

/** How far clocks may differ, and what rounds, in seconds. */
const slack = 41;

/** Seconds that a key is published before it signs: the longest that a verifier keeps a set for (section 8.7). */
export const publishedAhead = 3600;

/** Seconds that a key stays published after it signed last: its last token has expired everywhere by then. */
export const publishedAfter = longestLife + publishedMaxAge + slack;

export interface RotationPlan {
  /** Unix seconds. */
  readonly now: number;
  /** How old an active key may become, in seconds. */
  readonly rotateAfter: number;
  /** Makes a key in the state `next`. */
  readonly newKey: () => SigningKey;
}

/**
 * What is due: the first keys, a rotation on schedule, the end of keys whose tokens have all expired.
 *
 * @returns every key as it is to be; undefined when nothing is due
 */
export function maintained(
  keys: readonly SigningKey[],
  plan: RotationPlan,
): readonly SigningKey[] | undefined {
  const { now, rotateAfter, newKey } = plan;
  const active = activeOf(keys);
  // Nobody has cached anything of an issuer that never published.
  if (active === undefined) return [{ ...newKey(), state: "active" }, ...withNext(keys, newKey)];
  const next = keys.find(({ state }) => state === "next");
  const due = now - active.since >= rotateAfter && next !== undefined && secondsToWait(next, now) === 0;
  if (due) return rotated(keys, plan);
  const settled = keys.map((key) =>
    isOver(key, now) ? { ...key, state: "gone" as const, since: now } : key,
  );
  if (next !== undefined && settled.every((key, index) => key === keys[index])) return undefined;
  return withNext(settled, newKey);
}

/** The next key becomes active, the active one retires, and another one is made. */
export function rotated(
  keys: readonly SigningKey[],
  { now, newKey }: Pick<RotationPlan, "now" | "newKey">,
): readonly SigningKey[] {
  const moved = keys.map((key): SigningKey => {
    if (key.state === "active") return { ...key, state: "retiring", since: now, sealed: undefined };
    if (key.state === "next") return { ...key, state: "active", since: now };
    return key;
  });
  return withNext(moved, newKey);
}

/** What the audit is told: which key signs from now on. */
export function toldOfKeys(
  before: readonly SigningKey[],
  after: readonly SigningKey[],
): readonly StateChange[] {
  const active = activeOf(after);
  if (active === undefined || active.kid === activeOf(before)?.kid) return [];
  const { kid, publicJwk } = active;
  return [{ type: "dev.authmesh.key.rotated", data: { kid, alg: publicJwk.alg } }];
}

/** The one that signs. */
export const activeOf = (keys: readonly SigningKey[]): SigningKey | undefined =>
  keys.find(({ state }) => state === "active");

/** Seconds until caches have surely seen the key. */
export const secondsToWait = ({ since }: SigningKey, now: number): number =>
  Math.max(0, since + publishedAhead - now);

const isOver = ({ state, since }: SigningKey, now: number): boolean =>
  state === "retiring" && now - since >= publishedAfter;

const withNext = (keys: readonly SigningKey[], newKey: () => SigningKey): readonly SigningKey[] =>
  keys.some(({ state }) => state === "next") ? keys : [...keys, newKey()];
