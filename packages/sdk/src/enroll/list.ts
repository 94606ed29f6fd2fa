import type { EnrollOptions } from "./options.js";
import type { EnrollmentInfo, EnrollmentStatus } from "./told.js";

export interface ListOptions extends EnrollOptions {
  readonly status?: EnrollmentStatus | undefined;
  readonly appName?: string | undefined;
  readonly deviceName?: string | undefined;
  /** Approved, and not used for so many seconds. */
  readonly staleSeconds?: number | undefined;
  /** Approved, and ending within so many seconds. */
  readonly expiringSeconds?: number | undefined;
}

export interface ShowOptions extends EnrollOptions {
  /** Default: this machine's own, which needs no scope. */
  readonly id?: string | undefined;
}

/**
 * The enrollments of this machine's account, page after page as they are asked for; needs `__manage:r`.
 *
 * @throws AmeshError `approval_exceeds` for who may not, `authority_unreachable`
 */
export declare function listEnrollments(options?: ListOptions): AsyncIterableIterator<EnrollmentInfo>;

/** One enrollment, with its comparison code and conflicts while it is pending. @throws AmeshError `enrollment_not_found`, and as `listEnrollments` */
export declare function showEnrollment(options?: ShowOptions): Promise<EnrollmentInfo>;
