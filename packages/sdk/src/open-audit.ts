import { AmeshError, type AuditSink, type Failure } from "@authmesh/core";
import { type AuditRecorder, auditRecorder } from "@authmesh/oath/audit";
import type { Logger } from "./logger.js";

/** Under which name a server's events are told: its first host. */
export const auditSource = ([host]: readonly string[]): string =>
  host === undefined ? "urn:authmesh:verifier" : `//${host}`;

/** What decisions are told to, where there is anything. @throws TypeError for what is no sink */
export const openAudit = (sink: AuditSink | undefined, logger: Logger): AuditRecorder | undefined =>
  sink === undefined ? undefined : auditRecorder(sink, logger);

/** Why what was told to the audit must not happen, once it is known. */
export async function whyNotKept(kept: Promise<void> | undefined): Promise<Failure | undefined> {
  try {
    await kept;
    return undefined;
  } catch (error) {
    if (error instanceof AmeshError) return error.failure;
    throw error;
  }
}
