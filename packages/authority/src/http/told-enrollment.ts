import { fromBase64Url } from "@authmesh/core";
import { comparisonCodeOf } from "@authmesh/core/enrollment";
import { asOf, type Enrollment } from "../enrollment/enrollment.js";
import type { Invitation } from "../enrollment/enrollment-store.js";

const told = [
  ...[
    "id",
    "account",
    "appName",
    "deviceName",
    "deviceId",
    "publicKey",
    "scopes",
    "requested",
    "requestedAt",
  ],
  ...["address", "decidedAt", "decidedBy", "approvedBy", "reason", "expiresAt", "lastUsedAt"],
] as readonly (keyof Enrollment)[];

/** An enrollment as those learn of it who may manage the account (docs/protocol.md, section 10.7). @param now Unix seconds */
export function toldEnrollment(enrollment: Enrollment, now: number) {
  const { requestDigest, s } = enrollment;
  const { status } = asOf(enrollment, now);
  return {
    ...Object.fromEntries(told.flatMap((name) => (name in enrollment ? [[name, enrollment[name]]] : []))),
    status,
    ...toldAttestation(enrollment),
    ...(status === "pending" && { code: codeOf(requestDigest, s) }),
  };
}

/** Where its key is, as far as that is known (docs/protocol.md, section 10.10). */
export function toldAttestation({ attestation }: Enrollment) {
  const { status, ...more } = attestation;
  const { maker, detail } = { maker: undefined, detail: undefined, ...more };
  return {
    attestation: status,
    ...(maker !== undefined && { maker }),
    ...(detail !== undefined && { unproven: detail }),
  };
}

/** What the machine itself is told of its request (docs/protocol.md, section 10.6). @param now Unix seconds */
export function toldState(enrollment: Enrollment, now: number) {
  const { id, status, reason, scopes, expiresAt } = asOf(enrollment, now);
  return {
    id,
    status,
    ...(reason !== undefined && { reason }),
    ...(status === "approved" && { scopes, ...(expiresAt !== undefined && { expiresAt }) }),
  };
}

/** Without what it is known by. */
export function toldInvitation({ digest: _, kind, ...told }: Invitation) {
  return told;
}

const codeOf = (requestDigest: string, s: string): string =>
  comparisonCodeOf(fromBase64Url(requestDigest) ?? new Uint8Array(), fromBase64Url(s) ?? new Uint8Array());
