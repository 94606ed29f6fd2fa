import { AmeshError, type ErrorCode } from "@authmesh/core";
import { type FolderOptions, identityFolder, readEnrollment, withEnrollment } from "@authmesh/keystore";
import type { EnrollmentInfo, EnrollmentOutcome, EnrollmentStatus } from "./told.js";

/** What this machine knows of its enrollment by itself. */
export interface RememberedEnrollment {
  readonly authority: string;
  /** "@acme" */
  readonly account: string;
  readonly id: string;
  readonly appName: string;
  readonly deviceName: string;
  /** When the authority was last asked. */
  readonly status: EnrollmentStatus;
  /** The authority accepted no answer when it was last asked: it knows the enrollment no more, or not by this URL. */
  readonly refused?: true;
  /** Unix seconds, as the authority said last. Absent: no end was told. */
  readonly expiresAt?: number;
  /** Six digits, of one that was asked for. */
  readonly comparisonCode?: string;
}

/**
 * Reads files alone.
 *
 * @returns undefined where this machine was never enrolled and never asked to be
 * @throws AmeshError `storage_failed`
 */
export function rememberedEnrollment(options: FolderOptions = {}): RememberedEnrollment | undefined {
  const { enrollment } = readEnrollment(identityFolder(options));
  if (enrollment === undefined) return undefined;
  const { code, request: _, ...remembered } = enrollment;
  return { ...remembered, ...(code !== undefined && { comparisonCode: code }) };
}

/** Keeps in which state the present enrollment is. @throws AmeshError `storage_failed`, `allow_list_locked` */
export async function noteStatus(dir: string, status: EnrollmentStatus): Promise<void> {
  const { enrollment } = readEnrollment(dir);
  if (enrollment !== undefined) await noteOutcome(dir, { ...enrollment, status });
}

/** As `noteStatus`, of an answer that tells the end, too; without one it has none. */
export async function noteOutcome(
  dir: string,
  { status, expiresAt }: Pick<EnrollmentOutcome, "status" | "expiresAt">,
): Promise<void> {
  const known = readEnrollment(dir).enrollment;
  if (known?.status === status && known.expiresAt === expiresAt && !known.refused) return;
  await withEnrollment(dir, async ({ record: { enrollment, ...others }, save }) => {
    if (enrollment === undefined) return;
    const { expiresAt: _, refused: __, ...kept } = enrollment;
    await save({ ...others, enrollment: { ...kept, status, ...(expiresAt !== undefined && { expiresAt }) } });
  });
}

/** Keeps which authority knew this machine's key, where nothing else says it. @throws as `noteStatus` */
export async function noteAuthority(dir: string, authority: string): Promise<void> {
  const known = readEnrollment(dir);
  if (known.enrollment !== undefined || known.authority === authority) return;
  await withEnrollment(dir, ({ record, save }) => save({ ...record, authority }));
}

/** Keeps which enrollment this machine's key has, where nothing else says it. @throws as `noteStatus` */
export async function noteEnrollment(
  dir: string,
  authority: string,
  { account, id, appName, deviceName, status, expiresAt }: EnrollmentInfo,
): Promise<void> {
  await withEnrollment(dir, async ({ record: { authority: _, ...others }, save }) => {
    if (others.enrollment !== undefined) return;
    const end = expiresAt === undefined ? {} : { expiresAt };
    await save({ ...others, enrollment: { authority, account, id, appName, deviceName, status, ...end } });
  });
}

const refusals: Partial<Readonly<Record<ErrorCode, EnrollmentStatus>>> = {
  enrollment_pending: "pending",
  enrollment_denied: "denied",
  enrollment_revoked: "revoked",
  enrollment_expired: "expired",
};

/** The state that a refusal tells of. */
export const statusOfRefusal = (error: unknown): EnrollmentStatus | undefined =>
  error instanceof AmeshError ? refusals[error.code] : undefined;
