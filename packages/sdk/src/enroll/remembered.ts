import type { FolderOptions } from "@authmesh/keystore";
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
  /** Six digits, of one that was pending then. */
  readonly comparisonCode?: string;
}

/** Reads files alone. @returns undefined where this machine never asked to be enrolled @throws AmeshError `storage_failed` */
export declare function rememberedEnrollment(options?: FolderOptions): RememberedEnrollment | undefined;
