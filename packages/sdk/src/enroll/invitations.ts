import type { Scopes } from "@authmesh/core";
import type { EnrollOptions } from "./options.js";

export interface CreatedPasscode {
  /** Six characters, good for one request. */
  readonly passcode: string;
  /** Unix seconds: five minutes from now. */
  readonly expiresAt: number;
}

export interface CreateInvitationOptions extends EnrollOptions {
  /** The most that can be asked for by it. */
  readonly scopes: Scopes;
  /** Default 1. */
  readonly uses?: number | undefined;
  /** Seconds. Default 604,800: seven days. */
  readonly lifetimeSeconds?: number | undefined;
  /** Whether requests that `scopes` cover are approved at once, in the name of this machine. Default false. */
  readonly autoApprove?: boolean | undefined;
}

export interface CreatedInvitation {
  /** `in_…`, by which it is deleted. */
  readonly id: string;
  /** The secret, `amesh_inv_…`, told this once. */
  readonly invitation: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** An invitation without its secret. Times are Unix seconds. */
export interface InvitationInfo {
  readonly id: string;
  /** The enrollment that made it. */
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly usesLeft: number;
  readonly scopes: Scopes;
  readonly autoApprove: boolean;
}

export interface DeleteInvitationOptions extends EnrollOptions {
  /** `in_…` */
  readonly id: string;
}

/**
 * A passcode for one request (docs/protocol.md, section 10.5); needs `__manage:rw`, as all below but the list, which needs `__manage:r`.
 *
 * @throws AmeshError `approval_exceeds` for who may not, `authority_unreachable`
 */
export declare function createPasscode(options?: EnrollOptions): Promise<CreatedPasscode>;
/** An invitation. @throws AmeshError as `createPasscode`, also for scopes that this machine does not cover */
export declare function createInvitation(options: CreateInvitationOptions): Promise<CreatedInvitation>;
/** The invitations that are still good. */
export declare function listInvitations(options?: EnrollOptions): Promise<readonly InvitationInfo[]>;
/** Makes an invitation worthless. @throws AmeshError `enrollment_not_found` */
export declare function deleteInvitation(options: DeleteInvitationOptions): Promise<void>;
