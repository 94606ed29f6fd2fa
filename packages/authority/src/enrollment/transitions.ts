import { compromise, type EnrollmentStatus } from "./enrollment.js";
import type { EnrollmentDecision } from "./enrollments.js";

interface Transition {
  readonly from: readonly EnrollmentStatus[];
  /** Undefined where the enrollment is no more. */
  readonly to: EnrollmentStatus | undefined;
  /** Whether an enrollment may do it to itself. */
  readonly oneself: boolean;
  /** What the audit calls it: `dev.authmesh.enrollment.…`. */
  readonly told: string;
}

/** The states of an enrollment (docs/protocol.md, section 10.2). What is not here is refused. */
export const transitions = {
  approve: { from: ["pending"], to: "approved", oneself: true, told: "approved" },
  deny: { from: ["pending"], to: "denied", oneself: true, told: "denied" },
  cancel: { from: ["pending"], to: undefined, oneself: true, told: "cancelled" },
  lapse: { from: ["pending", "approved"], to: "expired", oneself: true, told: "expired" },
  revoke: { from: ["approved"], to: "revoked", oneself: false, told: "revoked" },
  /** Revoke for the reason `compromise`: also found out of what is revoked already. */
  compromise: { from: ["approved", "revoked"], to: "revoked", oneself: false, told: "revoked" },
  extend: { from: ["approved"], to: "approved", oneself: false, told: "extended" },
  narrow: { from: ["approved"], to: "approved", oneself: false, told: "narrowed" },
  rotate: { from: ["approved"], to: "approved", oneself: true, told: "rotated" },
  lock: { from: ["approved"], to: "revoked", oneself: true, told: "locked" },
  unrevoke: { from: ["revoked"], to: "approved", oneself: true, told: "unrevoked" },
  delete: { from: ["denied", "revoked", "expired"], to: undefined, oneself: false, told: "deleted" },
} as const satisfies Readonly<Record<string, Transition>>;

export type TransitionName = keyof typeof transitions;

/** The row of the table that a decision is. */
export const transitionOf = (decision: EnrollmentDecision) =>
  decision.type === "revoke" && decision.reason === compromise ? "compromise" : decision.type;
