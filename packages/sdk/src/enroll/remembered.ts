import { AmeshError, type ErrorCode } from "@authmesh/core";
import { type FolderOptions, identityFolder, readEnrollment, withEnrollment } from "@authmesh/keystore";
import type { EnrollmentStatus } from "./told.js";

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

/** Keeps what the authority told of the present enrollment. @throws AmeshError `storage_failed`, `allow_list_locked` */
export async function noteStatus(dir: string, status: EnrollmentStatus): Promise<void> {
  if (readEnrollment(dir).enrollment?.status === status) return;
  await withEnrollment(dir, async ({ record: { enrollment, ...others }, save }) => {
    if (enrollment !== undefined) await save({ ...others, enrollment: { ...enrollment, status } });
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
