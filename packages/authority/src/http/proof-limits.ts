import { AmeshError, failure } from "@authmesh/core";
import type { RateLimit } from "./rate-limit.js";

/** A limit, and the name that it counts by. */
export type Counted = readonly [limit: Pick<RateLimit, "take" | "giveBack">, name: string];

/**
 * Bounds attempts at a proof before they cost anything. An attempt counts from its beginning, so that those are counted that come
 * at one time; one that did not fail is taken back.
 *
 * @throws AmeshError `rate_limited`, and what `attempt` throws
 */
export async function whileFailuresAreFew<T>(
  counted: readonly Counted[],
  attempt: () => Promise<T>,
): Promise<T> {
  const waits = counted.map(([limit, name]) => limit.take(name));
  const giveBack = () => {
    for (const [index, [limit, name]] of counted.entries())
      if (waits[index] === undefined) limit.giveBack(name);
  };
  const seconds = Math.max(0, ...waits.map((wait) => wait ?? 0));
  if (seconds > 0) {
    giveBack();
    throw tooOften(seconds);
  }
  try {
    const result = await attempt();
    giveBack();
    return result;
  } catch (error) {
    if (!(error instanceof AmeshError && error.failure.status === 401)) giveBack();
    throw error;
  }
}

/** @param seconds until the next attempt */
export const tooOften = (seconds: number): AmeshError =>
  new AmeshError({
    ...failure("rate_limited", `There were too many requests; the next may come in ${seconds} s.`),
    retryAfterSeconds: seconds,
  });
