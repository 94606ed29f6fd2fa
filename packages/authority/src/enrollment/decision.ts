import { AmeshError, isoTime, type Scopes } from "@authmesh/core";
import {
  assertApproved,
  assertCovers,
  assertEndsBefore,
  assertGrants,
  assertManages,
  assertMay,
} from "./approval.js";
import {
  type Attestation,
  asOf,
  compromise,
  type Enrollment,
  isRoot,
  suspectedClone,
  wasApproved,
} from "./enrollment.js";
import type { AccountWork, EnrollmentChange } from "./enrollment-store.js";
import type { Actor, EnrollmentDecision } from "./enrollments.js";
import { transitionOf, transitions } from "./transitions.js";

type Change = EnrollmentChange & { readonly before: Enrollment };
type Type = EnrollmentDecision["type"];
type Of<T extends Type> = Extract<EnrollmentDecision, { readonly type: T }>;

/** What one decision does to the enrollment, and to nothing else. @param now Unix seconds */
type Decide<T extends Type> = (
  target: Enrollment,
  decision: Of<T>,
  approver: Enrollment,
  now: number,
) => Enrollment | undefined;

const withEnd = ({ expiresAt: _, ...enrollment }: Enrollment, end: number | undefined): Enrollment =>
  end === undefined ? enrollment : { ...enrollment, expiresAt: end };

const withReason = ({ reason: _, ...enrollment }: Enrollment, reason: string | undefined): Enrollment =>
  reason === undefined ? enrollment : { ...enrollment, reason };

const endOf = (lifetime: number | undefined, now: number): number | undefined =>
  lifetime === undefined ? undefined : now + lifetime;

const decisions: { readonly [T in Type]: Decide<T> } = {
  approve(target, { scopes = target.scopes, lifetime = target.requested.lifetime }, approver, now) {
    assertAsked(target, scopes, lifetime);
    assertCovers(approver.scopes, scopes);
    const end = endOf(lifetime, now);
    assertEndsBefore(approver, end);
    return { ...withEnd(target, end), status: "approved", scopes, approvedBy: approver.id };
  },
  deny: (target, { reason }) => ({ ...withReason(target, reason), status: "denied" }),
  revoke: (target, { reason }) => ({ ...withReason(target, reason), status: "revoked" }),
  unrevoke(target, _, approver) {
    assertEndsBefore(approver, target.expiresAt);
    if (target.reason === compromise)
      throw new AmeshError("enrollment_state", "Its key was compromised: that is not taken back.");
    if (target.reason === suspectedClone && !isRoot(approver))
      throw new AmeshError(
        "approval_exceeds",
        "Only a root takes back what a suspected clone was locked for.",
      );
    // Whichever of the two answers next is heard; the other one locks it again.
    const counter = target.reason === suspectedClone ? 0 : target.counter;
    return { ...withReason(target, undefined), status: "approved", counter };
  },
  narrow(target, { scopes }) {
    assertGrants(scopes);
    assertCovers(target.scopes, scopes, "enrollment");
    return { ...target, scopes };
  },
  extend(target, { lifetime }, approver, now) {
    const end = endOf(lifetime, now);
    assertEndsBefore(approver, end);
    return withEnd(target, end);
  },
  delete: () => undefined,
};

/** Who approves may take away from what was asked for, and adds nothing. */
function assertAsked({ requested }: Enrollment, scopes: Scopes, lifetime: number | undefined): void {
  assertGrants(scopes);
  const isLonger =
    requested.lifetime !== undefined && (lifetime ?? Number.POSITIVE_INFINITY) > requested.lifetime;
  if (isLonger)
    throw new AmeshError("approval_exceeds", "The machine asked for a shorter life.", {
      fix: "Grant at most what it asked for, or have it ask anew for longer.",
    });
  assertCovers(requested.scopes, scopes, "request");
}

/** What an authority asks of the place of a key before it is approved. @throws AmeshError `attestation_required` */
export type AssertAttested = (attestation: Attestation) => void;

/**
 * What a decision would change, the enrollment that it names first; nothing is written here.
 *
 * @param now Unix seconds
 * @throws AmeshError as `Enrollments.decide` does
 */
export async function planDecision(
  work: AccountWork,
  by: Actor,
  decision: EnrollmentDecision,
  now: number,
  assertAttested: AssertAttested,
): Promise<readonly Change[]> {
  const approver = assertApproved(await work.find(by.id), now);
  assertManages(approver, "rw");
  const target = await work.find(decision.id);
  if (target === undefined) throw new AmeshError("enrollment_not_found");
  const transition = transitionOf(decision);
  if (!transitions[transition].oneself && target.id === approver.id) throw new AmeshError("enrollment_self");
  assertMay(transition, target, now);
  if (decision.type === "approve") assertAttested(target.attestation);
  const changes = await planned(work, approver, target, decision, now);
  await assertRootIsLeft(work, changes);
  return changes;
}

/**
 * One decision on one enrollment, or on it and what came of it.
 *
 * @throws AmeshError as `Enrollments.decide` does
 */
async function planned(
  work: AccountWork,
  approver: Enrollment,
  target: Enrollment,
  decision: EnrollmentDecision,
  now: number,
): Promise<readonly Change[]> {
  const change = decide(target, decision, approver, now);
  if (decision.type === "approve") await assertNameIsFree(work, target, now);
  if (decision.type !== "revoke" || !decision.cascade) return [change];
  const descendants = (await descendantsOf(work, target)).filter(
    (each) => asOf(each, now).status === "approved",
  );
  if (descendants.some(({ id }) => id === approver.id)) throw new AmeshError("enrollment_self");
  return [change, ...descendants.map((each) => decide(each, decision, approver, now))];
}

function decide(target: Enrollment, decision: EnrollmentDecision, approver: Enrollment, now: number): Change {
  // What was asked for is not held: approving looks at what is granted of it, and nobody gains by a no.
  if (wasApproved(target)) assertCovers(approver.scopes, target.scopes, "target");
  const decided = (decisions[decision.type] as Decide<Type>)(target, decision as Of<Type>, approver, now);
  return { before: target, after: decided && { ...decided, decidedAt: now, decidedBy: approver.id } };
}

/**
 * Free is a name once every token that another enrollment of it got is over, too: until then the subject of both is revoked.
 *
 * @throws AmeshError `enrollment_name_taken`
 */
export async function assertNameIsFree(
  work: AccountWork,
  enrollment: Enrollment,
  now: number,
): Promise<void> {
  const holds = (other: Enrollment) => ["approved", "revoked"].includes(asOf(other, now).status);
  if ((await work.namesakes(enrollment)).some(holds)) throw new AmeshError("enrollment_name_taken");
  const until = await work.withdrawnUntil(enrollment, now);
  if (until !== undefined)
    throw new AmeshError(
      "enrollment_name_taken",
      `A machine of this app and device was revoked, and tokens of these names are refused until ${isoTime(until)}.`,
      { fix: "Do it after that, or take another name: --device NAME." },
    );
}

async function descendantsOf(work: AccountWork, { id }: Enrollment): Promise<readonly Enrollment[]> {
  const found = new Map<string, Enrollment>();
  for (let parents = [id]; parents.length > 0; ) {
    const children = (await work.approvedBy(parents)).filter((child) => !found.has(child.id));
    for (const child of children) found.set(child.id, child);
    parents = children.map((child) => child.id);
  }
  return [...found.values()];
}

/** @throws AmeshError `last_root` */
export async function assertRootIsLeft(work: AccountWork, changes: readonly Change[]): Promise<void> {
  const gone = changes.filter(({ before, after }) => isRoot(before) && !(after && isRoot(after)));
  if (gone.length === 0) return;
  const roots = new Set(await work.roots());
  for (const { before } of gone) roots.delete(before.id);
  if (roots.size === 0) throw new AmeshError("last_root");
}
