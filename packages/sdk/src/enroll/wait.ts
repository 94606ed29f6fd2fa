import type { EnrollOptions } from "./options.js";
import type { EnrollmentOutcome } from "./told.js";

export interface WaitOptions extends EnrollOptions {
  /** Milliseconds between two questions where the authority's answer cannot be streamed, and before asking anew. Default 5,000. */
  readonly pollMs?: number | undefined;
}

/**
 * Waits until this machine's request is decided: told by the authority at once, or asked for every few seconds. An authority that
 * is away is waited for. Of one that was decided already the outcome comes at once.
 *
 * @returns what came of it: `approved`, `denied`, `expired` or `revoked`
 * @throws AmeshError `challenge_refused` where there is no such request any more; the signal's reason
 */
export declare function waitForEnrollment(options?: WaitOptions): Promise<EnrollmentOutcome>;
