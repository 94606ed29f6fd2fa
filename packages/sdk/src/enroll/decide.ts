import type { JsonObject, Scopes } from "@authmesh/core";
import { listOf } from "@authmesh/core/records";
import { askSigned } from "./enrolled-machine.js";
import { enrollmentPath } from "./enrollment-path.js";
import { checkedLifetime } from "./limits.js";
import type { EnrollOptions } from "./options.js";
import { type EnrollmentInfo, enrollmentInfo, readMember } from "./told.js";

export interface DecisionOptions extends EnrollOptions {
  /** Of the enrollment: `en_…`. */
  readonly id: string;
  /** Tells what would change, and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface ApproveOptions extends DecisionOptions {
  /** Default: what was asked for. Never wider. */
  readonly scopes?: Scopes | undefined;
  /** Seconds from now on, 60 to 315,360,000. Default: what was asked for. Never longer. */
  readonly lifetimeSeconds?: number | undefined;
}

export interface ReasonOptions extends DecisionOptions {
  /** A line of at most 256 characters. Of `compromise`, in any case, a revocation cannot be taken back; `suspected-clone` is refused. */
  readonly reason?: string | undefined;
}

export interface RevokeOptions extends ReasonOptions {
  /** Also what it approved, and what those did, and so on. Default false. */
  readonly cascade?: boolean | undefined;
}

export interface NarrowOptions extends DecisionOptions {
  readonly scopes: Scopes;
}

export interface ExtendOptions extends DecisionOptions {
  /** Seconds from now on, 60 to 315,360,000. Default: no end, for roots alone to grant. */
  readonly lifetimeSeconds?: number | undefined;
}

/** Those that changed, the named one first, as they are now; none of one that was deleted. */
export type Decided = readonly EnrollmentInfo[];

/**
 * Lets a machine in, with what it asked for or less (docs/protocol.md, sections 10.2 and 10.7). All decisions are signed by this machine's key,
 * whose enrollment must hold `__manage:rw` and cover the scopes in question.
 *
 * @throws AmeshError `enrollment_not_found`, `enrollment_state`, `enrollment_self`, `approval_exceeds`, `last_root`,
 * `enrollment_name_taken`, `invalid_option`, `service_unreachable`
 */
export const approveEnrollment = async (options: ApproveOptions): Promise<Decided> =>
  decide("approve", options, { scopes: options.scopes, lifetime: checkedLifetime(options.lifetimeSeconds) });

/** Refuses a pending request. Throws as `approveEnrollment` does, and so do those below. */
export const denyEnrollment = (options: ReasonOptions): Promise<Decided> =>
  decide("deny", options, { reason: options.reason });

/** Ends an approved enrollment; for the reason `compromise` also one that is revoked, for good. */
export const revokeEnrollment = (options: RevokeOptions): Promise<Decided> =>
  decide("revoke", options, { reason: asMeant(options.reason), cascade: options.cascade });

/** The one reason with a meaning of its own, however it is written: taken for another one it could be taken back. */
const asMeant = (reason: string | undefined): string | undefined =>
  reason?.trim().toLowerCase() === "compromise" ? "compromise" : reason;

/** Takes a revocation back. */
export const unrevokeEnrollment = (options: DecisionOptions): Promise<Decided> =>
  decide("unrevoke", options, {});

/** Takes scopes away from an approved enrollment. */
export const narrowEnrollment = (options: NarrowOptions): Promise<Decided> =>
  decide("narrow", options, { scopes: options.scopes });

/** Sets another end of an approved enrollment. */
export const extendEnrollment = async (options: ExtendOptions): Promise<Decided> =>
  decide("extend", options, { lifetime: checkedLifetime(options.lifetimeSeconds) });

/** Removes what is denied, revoked or expired. */
export async function deleteEnrollment({ dryRun, ...options }: DecisionOptions): Promise<Decided> {
  const path = `${enrollmentPath(options.id)}${dryRun === true ? "?dryRun=true" : ""}`;
  return readDecided(await askSigned(options, "DELETE", path));
}

async function decide(
  what: string,
  { dryRun, ...options }: DecisionOptions,
  details: object,
): Promise<Decided> {
  const path = `${enrollmentPath(options.id)}/${what}`;
  return readDecided(await askSigned(options, "POST", path, { ...details, dryRun }));
}

const readDecided = (answer: JsonObject): Decided =>
  readMember(answer, "enrollments", listOf(enrollmentInfo, 100_000));
