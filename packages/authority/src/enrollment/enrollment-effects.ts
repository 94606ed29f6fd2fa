import { enrolledSubject } from "@authmesh/core/enrollment";
import type { Revocation } from "@authmesh/oath";
import { longestLife } from "@authmesh/oath";
import type { FeedChange } from "@authmesh/oath/feed";
import type { RevocationRemoval } from "../authority-store.js";
import type { Enrollment } from "./enrollment.js";
import type { EnrollmentChange } from "./enrollment-store.js";

/**
 * Changes of the account's feed that follow from a change of an enrollment (docs/protocol.md, section 9.1).
 *
 * @param at Unix seconds
 */
export function feedChanges({ before, after }: EnrollmentChange, at: number): readonly FeedChange[] {
  const changes: FeedChange[] = [];
  if (before?.status === "approved" && (after?.status !== "approved" || after.deviceId !== before.deviceId)) {
    changes.push(["device", before.deviceId, null]);
    if (after?.status !== "revoked") changes.push(["ended", before.deviceId, { at }]);
  }
  if (before?.status === "revoked" && after?.status === "approved")
    changes.push(["revoked", before.deviceId, null]);
  if (after?.status === "approved") changes.push(["device", after.deviceId, deviceOf(after)]);
  if (after?.status === "revoked" && (before?.status !== "revoked" || before.reason !== after.reason)) {
    const { reason, decidedAt = 0 } = after;
    changes.push(["revoked", after.deviceId, { at: decidedAt, ...(reason === undefined ? {} : { reason }) }]);
  }
  return changes;
}

const deviceOf = (enrollment: Enrollment) => ({
  key: enrollment.publicKey,
  name: `${enrollment.appName}/${enrollment.deviceName}`,
  sub: subjectOf(enrollment),
  scopes: { ...enrollment.scopes },
  ...(enrollment.expiresAt === undefined ? {} : { expiresAt: enrollment.expiresAt }),
});

/** Whose tokens they are. */
export const subjectOf = ({ account, appName, deviceName }: Enrollment) =>
  enrolledSubject(account, appName, deviceName);

/**
 * What happens to the tokens that the device has. They live for minutes, and so does the entry: another enrollment may have the
 * same names once this one is deleted and the entry is over.
 *
 * @param at Unix seconds
 */
export function withdrawal(
  { before, after }: EnrollmentChange,
  at: number,
): { readonly revoked?: Omit<Revocation, "issuer">; readonly restored?: RevocationRemoval } {
  if (before === undefined || after === undefined || before.status === after.status) return {};
  const entry = { by: "sub", value: subjectOf(after), actor: after.decidedBy ?? "authority", at } as const;
  if (after.status === "revoked")
    return {
      revoked: { ...entry, reason: after.reason ?? "enrollment revoked", expiresAt: at + 2 * longestLife },
    };
  return before.status === "revoked" && after.status === "approved" ? { restored: entry } : {};
}
