import type { Scopes } from "@authmesh/core";
import type { EnrollOptions } from "./options.js";
import type { EnrollmentInfo } from "./told.js";

export interface DecisionOptions extends EnrollOptions {
  /** Of the enrollment: `en_…`. */
  readonly id: string;
  /** Tells what would change, and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface ApproveOptions extends DecisionOptions {
  /** Default: what was asked for. Never wider. */
  readonly scopes?: Scopes | undefined;
  /** Seconds from now on. Default: what was asked for. Never longer. */
  readonly lifetimeSeconds?: number | undefined;
}

export interface ReasonOptions extends DecisionOptions {
  /** A line of at most 256 characters. Of `compromise` a revocation cannot be taken back. */
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
  /** Seconds from now on. Default: no end, for roots alone to grant. */
  readonly lifetimeSeconds?: number | undefined;
}

/** Those that changed, the named one first, as they are now; none of one that was deleted. */
export type Decided = readonly EnrollmentInfo[];

/**
 * Lets a machine in, with what it asked for or less (docs/protocol.md, sections 10.2 and 10.7). All decisions are signed by this machine's key,
 * whose enrollment must hold `__manage:rw` and cover the scopes in question.
 *
 * @throws AmeshError `enrollment_not_found`, `enrollment_state`, `enrollment_self`, `approval_exceeds`, `last_root`,
 * `enrollment_name_taken`, `authority_unreachable`
 */
export declare function approveEnrollment(options: ApproveOptions): Promise<Decided>;
/** Refuses a pending request. Throws as `approveEnrollment` does, and so do those below. */
export declare function denyEnrollment(options: ReasonOptions): Promise<Decided>;
/** Ends an approved enrollment. */
export declare function revokeEnrollment(options: RevokeOptions): Promise<Decided>;
/** Takes a revocation back. */
export declare function unrevokeEnrollment(options: DecisionOptions): Promise<Decided>;
/** Takes scopes away from an approved enrollment. */
export declare function narrowEnrollment(options: NarrowOptions): Promise<Decided>;
/** Sets another end of an approved enrollment. */
export declare function extendEnrollment(options: ExtendOptions): Promise<Decided>;
/** Removes what is denied, revoked or expired. */
export declare function deleteEnrollment(options: DecisionOptions): Promise<Decided>;
