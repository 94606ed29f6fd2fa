import { AmeshError, type AuditEventFields, createAuditEvent } from "@authmesh/core";
import type { AuditRecorder } from "@authmesh/oath/audit";
import type { Logger } from "@authmesh/sdk";
import type { AuthorityStore } from "./authority-store.js";
import type { Challenges } from "./challenges/challenges.js";
import type { SharedDevices } from "./devices/shared-devices.js";
import type { Attestations } from "./enrollment/attestations.js";
import type { EnrolledDevices } from "./enrollment/enrolled-devices.js";
import type { EnrollmentStore } from "./enrollment/enrollment-store.js";
import type { Enrollments } from "./enrollment/enrollments.js";
import type { LastUses } from "./enrollment/last-uses.js";
import type { TrustFeeds } from "./feed/trust-feeds.js";
import type { AddressOf } from "./http/address-of.js";
import type { DialledOrigin } from "./http/dialled-origin.js";
import type { KeyRing } from "./keys/key-ring.js";
import type { AuthorityMetrics } from "./metrics.js";
import type { AuthorityPolicy } from "./mint/authority-policy.js";

/** What the endpoints of one authority work with. */
export interface Services {
  readonly issuer: string;
  readonly store: AuthorityStore;
  readonly keys: KeyRing;
  /** The devices that are paired with the authority. */
  readonly devices: SharedDevices;
  readonly enrollmentStore: EnrollmentStore;
  readonly enrollments: Enrollments;
  readonly feeds: TrustFeeds;
  /** The devices that are enrolled, of all accounts. */
  readonly enrolled: EnrolledDevices;
  readonly uses: LastUses;
  /** As the file has it now. */
  readonly policy: () => AuthorityPolicy;
  readonly audit: AuditRecorder;
  /** Tells the audit at once what was changed in the store. What it does not take now it is told later. */
  readonly tellChanges: () => Promise<void>;
  readonly challenges: Challenges;
  readonly attestations: Attestations;
  readonly dialled: DialledOrigin;
  readonly addressOf: AddressOf;
  readonly metrics: AuthorityMetrics;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

type Telling = Pick<Services, "audit" | "issuer" | "now">;
/** Without `time`: now. */
type Told = Omit<AuditEventFields, "time" | "source"> & Partial<Pick<AuditEventFields, "time">>;

/**
 * Tells the audit what this authority is about to do; to be waited for before it does.
 *
 * @throws AmeshError `audit_unavailable`
 */
export async function record({ audit, issuer, now }: Telling, fields: Told): Promise<void> {
  await audit.record(createAuditEvent({ time: now() / 1000, ...fields, source: issuer }));
}

/** Tells the audit what nobody waits for: a refusal stays one, whatever becomes of the event. */
export function tell(services: Telling, fields: Told): void {
  record(services, fields).catch(() => {}); // the queue has said in the log that its sink fails
}

/** To be asked before the shared state is changed. @throws AmeshError `audit_unavailable` */
export function refuseWithoutAudit({ audit }: Pick<Services, "audit">): void {
  if (!audit.working)
    throw new AmeshError("audit_unavailable", "The audit's sinks fail; nothing was changed.");
}
