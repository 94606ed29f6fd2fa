import { enrollmentId } from "@authmesh/core/enrollment";
import { listOf, optional } from "@authmesh/core/records";
import { identityFolder } from "@authmesh/keystore";
import { askSigned, openSigningClient } from "./enrolled-machine.js";
import { enrollmentPath } from "./enrollment-path.js";
import type { EnrollOptions } from "./options.js";
import { noteOutcome } from "./remembered.js";
import { type EnrollmentInfo, type EnrollmentStatus, enrollmentInfo, readMembers, readTold } from "./told.js";

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
 * @throws AmeshError `approval_exceeds` for who may not, `service_unreachable`
 */
export async function* listEnrollments(
  options: ListOptions = {},
): AsyncGenerator<EnrollmentInfo, void, undefined> {
  const authority = await openSigningClient(options);
  const query = queryOf(options);
  for (;;) {
    const page = await authority.ask("GET", `/v1/enrollments?${query}`);
    const { enrollments, next } = readMembers(page, pageShape);
    yield* enrollments;
    if (next === undefined) return;
    query.set("after", next);
  }
}

/** One enrollment, with its comparison code and conflicts while it is pending. @throws AmeshError `enrollment_not_found`, and as `listEnrollments` */
export async function showEnrollment(options: ShowOptions = {}): Promise<EnrollmentInfo> {
  const { id = "self" } = options;
  const told = readTold(enrollmentInfo, await askSigned(options, "GET", enrollmentPath(id)));
  if (id === "self") await noteOutcome(identityFolder(options), told);
  return told;
}

const pageShape = { enrollments: listOf(enrollmentInfo, 1000), next: optional(enrollmentId) };

function queryOf(options: ListOptions): URLSearchParams {
  const { status, appName, deviceName, staleSeconds, expiringSeconds } = options;
  const given = { status, app: appName, device: deviceName, stale: staleSeconds, expiring: expiringSeconds };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, String(value));
  return query;
}
