import { isoTime } from "@authmesh/core";
import type { EnrollmentInfo, WatchedEnrollment } from "@authmesh/sdk/enroll";
import { fields, formatScopes } from "../layout.js";
import { visible } from "../terminal/visible.js";
import { formatSpan, unixSeconds } from "../time.js";

/** How enrollments look to people. Whatever a requester chose is shown so that it moves no cursor. */

/** "orders/box-1" */
export const formatEnrolled = ({
  appName,
  deviceName,
}: Pick<EnrollmentInfo, "appName" | "deviceName">): string => `${appName}/${deviceName}`;

/** "orders/box-1 (en_…)" */
export const formatEnrollment = (enrollment: Pick<EnrollmentInfo, "id" | "appName" | "deviceName">): string =>
  `${formatEnrolled(enrollment)} (${enrollment.id})`;

/** "482 916", as it is read aloud. */
export const formatCode = (code: string): string => code.replace(/(\d{3})(?=\d)/, "$1 ");

export function describeEnrollments(enrollments: readonly EnrollmentInfo[]): string {
  const width = Math.max(...enrollments.map((enrollment) => formatEnrolled(enrollment).length));
  return enrollments.map((enrollment) => describeLine(enrollment, width)).join("\n");
}

/** One enrollment on one line. */
export function describeLine(enrollment: WatchedEnrollment, width = 0): string {
  const { id, status, scopes, code, requestedAt, address, reason } = enrollment;
  const remarks = [
    ...(code === undefined ? [] : [`code ${formatCode(code)}`]),
    ...(status === "pending"
      ? [`asked ${formatSpan(unixSeconds() - requestedAt)} ago from ${visible(address)}`]
      : []),
    ...(status === "approved" ? [describeEnd(enrollment)] : []),
    ...(status === "approved" ? [describeUse(enrollment)] : []),
    ...(reason === undefined ? [] : [visible(JSON.stringify(reason))]),
  ];
  const columns = [
    id,
    formatEnrolled(enrollment).padEnd(width),
    `[${status}]`.padEnd(10),
    formatScopes(scopes),
  ];
  return `  ${[...columns, ...remarks].join("  ").trimEnd()}`;
}

const describeEnd = ({ expiresAt }: Pick<EnrollmentInfo, "expiresAt">): string =>
  expiresAt === undefined ? "without end" : `until ${isoTime(expiresAt)}`;

const describeUse = ({ lastUsedAt }: Pick<EnrollmentInfo, "lastUsedAt">): string =>
  lastUsedAt === undefined ? "never used" : `used ${formatSpan(unixSeconds() - lastUsedAt)} ago`;

/** All that is known of one, and all that an approver has to weigh (docs/protocol.md, section 10.7). */
export function describeWhole(enrollment: EnrollmentInfo): string {
  const {
    status,
    requested,
    requestedAt,
    address,
    code,
    conflicts = [],
    decidedAt,
    decidedBy,
    reason,
  } = enrollment;
  const pending = status === "pending";
  const { lifetime } = requested;
  return fields([
    ["Enrollment", enrollment.id],
    ["Account", enrollment.account],
    ["App", enrollment.appName],
    ["Device", enrollment.deviceName],
    ["Status", status],
    ...(pending ? [] : [["Scopes", formatScopes(enrollment.scopes)] as const]),
    ...(status === "approved"
      ? [["End", describeEnd(enrollment)] as const, ["Use", describeUse(enrollment)] as const]
      : []),
    ["Asked for", formatScopes(requested.scopes)],
    ["Asked to last", lifetime === undefined ? "without end" : `${formatSpan(lifetime)} from its approval`],
    ["Asked at", `${isoTime(requestedAt)}, ${formatSpan(unixSeconds() - requestedAt)} ago`],
    ["From", visible(address)],
    ["Fingerprint", `${enrollment.deviceId}, which \`amesh status\` shows there`],
    ["Key", describeAttestation(enrollment)],
    ...(decidedAt === undefined
      ? []
      : [["Decided", `${isoTime(decidedAt)}${decidedBy === undefined ? "" : ` by ${decidedBy}`}`] as const]),
    ...(reason === undefined ? [] : [["Reason", visible(JSON.stringify(reason))] as const]),
    ...conflicts.map((id) => ["Conflict", `${id} has the same app and device`] as const),
    ...(code === undefined ? [] : [["Code", `${formatCode(code)}, which the device must show too`] as const]),
  ]);
}

/** What nobody proved is never said as a fact. */
export function describeAttestation({
  attestation,
  maker = "an unknown maker",
  unproven,
}: Pick<EnrollmentInfo, "attestation" | "maker" | "unproven">): string {
  if (attestation === "proven") return `key is in a TPM made by ${visible(maker)}`;
  if (attestation === "none") return "no statement of a TPM";
  return `in a TPM: claimed, not proven${unproven === undefined ? "" : `. ${visible(unproven)}`}`;
}
