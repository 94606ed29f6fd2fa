import type { Scopes } from "@authmesh/core";
import { enrollmentId, readRequestedScopes } from "@authmesh/core/enrollment";
import { integer, oneOf, text, time } from "@authmesh/core/records";
import { askSigned } from "./enrolled-machine.js";
import { checkedLifetime, checkedUses } from "./limits.js";
import type { EnrollOptions } from "./options.js";
import { readMembers, toldList } from "./told.js";

export interface CreatedPasscode {
  /** Six characters, good for one request. */
  readonly passcode: string;
  /** Unix seconds: five minutes from now. */
  readonly expiresAt: number;
}

export interface CreateInvitationOptions extends EnrollOptions {
  /** The most that can be asked for by it. */
  readonly scopes: Scopes;
  /** 1 to 10,000. Default 1. */
  readonly uses?: number | undefined;
  /** Seconds, 60 to 315,360,000. Default 604,800: seven days. */
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
 * @throws AmeshError `approval_exceeds` for who may not, `service_unreachable`
 */
export async function createPasscode(options: EnrollOptions = {}): Promise<CreatedPasscode> {
  return readMembers(await askSigned(options, "POST", "/v1/passcodes", {}), {
    passcode: text(/^[A-Z0-9]{6}$/, "a passcode"),
    expiresAt: time,
  });
}

/** An invitation. @throws AmeshError `invalid_option`, and as `createPasscode`, also for scopes that this machine does not cover */
export async function createInvitation(options: CreateInvitationOptions): Promise<CreatedInvitation> {
  const { scopes, autoApprove } = options;
  const uses = checkedUses(options.uses);
  const lifetime = checkedLifetime(options.lifetimeSeconds);
  const details = { scopes, uses, lifetime, autoApprove };
  return readMembers(await askSigned(options, "POST", "/v1/invitations", details), {
    id: invitationId,
    invitation: text(/^amesh_inv_[\w-]{22}$/, "an invitation"),
    expiresAt: time,
  });
}

/** The invitations that are still good. */
export async function listInvitations(options: EnrollOptions = {}): Promise<readonly InvitationInfo[]> {
  return toldList(await askSigned(options, "GET", "/v1/invitations"), "invitations", {
    id: invitationId,
    createdBy: enrollmentId,
    createdAt: time,
    expiresAt: time,
    usesLeft: integer(0, Number.MAX_SAFE_INTEGER),
    scopes: readRequestedScopes,
    autoApprove: oneOf(true, false),
  });
}

/** Makes an invitation worthless. @throws AmeshError `enrollment_not_found` */
export async function deleteInvitation(options: DeleteInvitationOptions): Promise<void> {
  const { id } = options;
  await askSigned(options, "DELETE", `/v1/invitations/${encodeURIComponent(id)}`);
}

const invitationId = text(/^in_[\w-]{16}$/, "the id of an invitation");
