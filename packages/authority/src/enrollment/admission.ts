import { AmeshError, coversScopes, type Random, type Scopes, toBase64Url } from "@authmesh/core";
import { type EnrollmentRequest, requestDigest } from "@authmesh/core/enrollment";
import { assertApproved, assertCovers, assertGrants, assertManages } from "./approval.js";
import { type AssertAttested, planDecision } from "./decision.js";
import type { Enrollment } from "./enrollment.js";
import type { AccountWork, Invitation } from "./enrollment-store.js";
import type { Actor, RequestOrigin } from "./enrollments.js";
import { newEnrollmentId, pendingEnrollment } from "./new-enrollment.js";
import { claimKey } from "./onboarding.js";
import { record } from "./record.js";

const passcodeLife = 300;
/** Of one account, at a time. */
const mostPending = 1000;
const mostInvitations = 1000;

/**
 * Takes a request in, for the passcode or invitation that was found by its digest.
 *
 * @param now Unix seconds
 */
export async function admit(
  work: AccountWork,
  request: EnrollmentRequest,
  passcodeDigest: string,
  from: RequestOrigin,
  random: Random,
  now: number,
  assertAttested: AssertAttested,
): Promise<Enrollment> {
  const known = await work.findByRequest(toBase64Url(requestDigest(request)));
  if (known !== undefined) return known;
  const invitation = await work.findInvitation(passcodeDigest);
  if (invitation === undefined || invitation.expiresAt <= now) throw new AmeshError("passcode_refused");
  if (invitation.scopes !== undefined && !coversScopes(invitation.scopes, request.scopes))
    throw new AmeshError("approval_exceeds", "The invitation is for less than what is asked for.");
  if ((await work.countPending(now)) >= mostPending)
    throw new AmeshError("rate_limited", `The account has ${mostPending} undecided requests.`);
  await use(work, invitation);
  const enrollment = pendingEnrollment(request, from, random, now);
  await claimKey(work, enrollment);
  await record(work, "enrollment.requested", { before: undefined, after: enrollment });
  return invitation.autoApprove ? approveFor(work, invitation, enrollment, now, assertAttested) : enrollment;
}

async function use(work: AccountWork, invitation: Invitation): Promise<void> {
  const usesLeft = invitation.usesLeft - 1;
  if (usesLeft > 0) await work.saveInvitation({ ...invitation, usesLeft });
  else await work.deleteInvitation(invitation.id);
}

/** In the name of who invited; what that one could not approve now waits for somebody who can. */
async function approveFor(
  work: AccountWork,
  { createdBy }: Invitation,
  enrollment: Enrollment,
  now: number,
  assertAttested: AssertAttested,
): Promise<Enrollment> {
  const by = { account: enrollment.account, id: createdBy };
  try {
    const [change] = await planDecision(
      work,
      by,
      { id: enrollment.id, type: "approve" },
      now,
      assertAttested,
    );
    if (change?.after === undefined) return enrollment;
    await record(work, "enrollment.approved", change, createdBy);
    return change.after;
  } catch (error) {
    if (error instanceof AmeshError && error.code !== "database_unavailable") return enrollment;
    throw error;
  }
}

export interface InvitationTerms {
  readonly scopes?: Scopes;
  readonly uses: number;
  /** Seconds. */
  readonly lifetime: number;
  readonly autoApprove: boolean;
}

export const passcodeTerms: InvitationTerms = { uses: 1, lifetime: passcodeLife, autoApprove: false };

/**
 * @param digest of the secret
 * @param now Unix seconds
 * @throws AmeshError `approval_exceeds`, `rate_limited`, and the state of who may not act any more
 */
export async function invite(
  work: AccountWork,
  by: Actor,
  digest: string,
  { scopes, uses, lifetime, autoApprove }: InvitationTerms,
  random: Random,
  now: number,
): Promise<Invitation> {
  const approver = assertApproved(await work.find(by.id), now);
  assertManages(approver, "rw");
  if (scopes !== undefined) {
    assertGrants(scopes);
    assertCovers(approver.scopes, scopes);
  }
  if ((await work.invitations(now)).length >= mostInvitations)
    throw new AmeshError("rate_limited", `The account has ${mostInvitations} passcodes and invitations.`);
  const invitation: Invitation = {
    id: newEnrollmentId(random, now).replace("en_", "in_"),
    account: by.account,
    digest,
    kind: scopes === undefined ? "passcode" : "invitation",
    createdBy: by.id,
    createdAt: now,
    expiresAt: now + lifetime,
    usesLeft: uses,
    ...(scopes === undefined ? {} : { scopes }),
    autoApprove,
  };
  await work.saveInvitation(invitation);
  return invitation;
}
