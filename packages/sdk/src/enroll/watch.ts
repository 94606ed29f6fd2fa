import type { EnrollOptions } from "./options.js";
import type { EnrollmentInfo } from "./told.js";

export interface WatchOptions extends EnrollOptions {
  /** Milliseconds before a connection that was cut is made anew. Default 5,000. */
  readonly retryMs?: number | undefined;
}

/**
 * Every change of an enrollment of this machine's account, as it happens; needs `__manage:r`. A connection that was cut is made
 * anew; what changed in between is not told, see `listEnrollments`. Ends when the signal does.
 *
 * @throws AmeshError what the authority refuses with; `authority_unreachable` only where the first connection fails
 */
export declare function watchEnrollments(options?: WatchOptions): AsyncIterableIterator<EnrollmentInfo>;
