import {
  AmeshError,
  coversScopes,
  type ErrorCode,
  isGrant,
  parseRequirement,
  quoteForeign,
  type Scopes,
} from "@authmesh/core";
import {
  type Attestation,
  asOf,
  compromise,
  type Enrollment,
  type EnrollmentStatus,
  isRoot,
} from "./enrollment.js";
import { type TransitionName, transitions } from "./transitions.js";

const outcomes = {
  pending: "enrollment_pending",
  denied: "enrollment_denied",
  revoked: "enrollment_revoked",
  expired: "enrollment_expired",
} as const satisfies Readonly<Record<Exclude<EnrollmentStatus, "approved">, ErrorCode>>;

/** @throws AmeshError the state, of one that is not approved; of one that is no more: it ended before it was deleted */
export function assertApproved(enrollment: Enrollment | undefined, now: number): Enrollment {
  const status = enrollment && asOf(enrollment, now).status;
  if (enrollment === undefined || status === undefined) throw new AmeshError("enrollment_revoked");
  if (status !== "approved") throw notApproved({ status, reason: enrollment.reason });
  return enrollment;
}

/** What who proved to hold the key learns of an enrollment that is not approved. */
export function notApproved({ status, reason }: Outcome): AmeshError {
  const isForGood = status === "revoked" && reason === compromise;
  const fix =
    "Its key counts as leaked, and nobody takes that back: `amesh enroll request` with another identity.";
  return new AmeshError(outcomes[status], undefined, isForGood ? { fix } : {});
}

interface Outcome {
  readonly status: keyof typeof outcomes;
  readonly reason?: string | undefined;
}

const manages = { r: parseRequirement("__manage:r"), rw: parseRequirement("__manage:w") };

/** @throws AmeshError `approval_exceeds` unless it holds `__manage`, to read or to write */
export function assertManages({ scopes }: Enrollment, access: "r" | "rw"): void {
  if (!manages[access](scopes))
    throw new AmeshError("approval_exceeds", `This enrollment does not hold __manage:${access}.`, {
      fix: "Do it from a machine that does.",
    });
}

/** What is wrong where something goes beyond scopes: those of the approver, in what it grants or decides on; of the request, of the enrollment. */
const beyond = {
  approver: ["The approver does not hold all that would be granted.", {}],
  target: [
    "The enrollment has more than this one, which decides on what it holds itself.",
    { fix: "Do it from a machine that holds all that `amesh enroll show ID` tells." },
  ],
  request: [
    "The machine did not ask for all of that.",
    { fix: "Grant at most what it asked for, or have it ask anew for more." },
  ],
  enrollment: [
    "The enrollment does not have all of that: narrow takes away, and gives nothing.",
    { fix: "Name less than it has, or enroll the machine anew with more." },
  ],
} as const;

/** @param whose the scopes of `holder` are. @throws AmeshError `approval_exceeds` unless they cover what is granted */
export function assertCovers(holder: Scopes, granted: Scopes, whose: keyof typeof beyond = "approver"): void {
  const [problem, mend] = beyond[whose];
  if (!coversScopes(holder, granted)) throw new AmeshError("approval_exceeds", problem, mend);
}

/** @throws AmeshError `approval_exceeds` for an end after the approver's own, roots aside */
export function assertEndsBefore(approver: Enrollment, expiresAt: number | undefined): void {
  if (approver.expiresAt === undefined || isRoot(approver)) return;
  if (expiresAt === undefined || expiresAt > approver.expiresAt)
    throw new AmeshError("approval_exceeds", "The approver's own enrollment ends before that.", {
      fix: "Name an end before it where there is a --lifetime, or do it from a machine that does not end so soon.",
    });
}

/** @throws AmeshError `invalid_scope` for a map that is none, or grants nothing */
export function assertGrants(scopes: Scopes): void {
  const grants = Object.entries(scopes);
  const odd = grants.find(([name, access]) => !isGrant(name, access));
  if (odd !== undefined)
    throw new AmeshError("invalid_scope", `${quoteForeign(odd.join(":"))} is not a scope.`);
  if (grants.length === 0) throw new AmeshError("invalid_scope", "No scope is named.");
}

/** @throws AmeshError `attestation_required`, with why it is not proven */
export function assertProven(attestation: Attestation): void {
  if (attestation.status === "proven") return;
  const why = attestation.status === "claimed" ? attestation.detail : "The request brought nothing of a TPM.";
  throw new AmeshError("attestation_required", `The key is not proven to be in a TPM. ${why}`);
}

/** @throws AmeshError `enrollment_state` for what the table of transitions does not have */
export function assertMay(name: TransitionName, enrollment: Enrollment, now: number): void {
  const { status } = asOf(enrollment, now);
  const from: readonly EnrollmentStatus[] = transitions[name].from;
  if (!from.includes(status))
    throw new AmeshError("enrollment_state", `The enrollment is ${status}: ${name} is not possible.`);
}
