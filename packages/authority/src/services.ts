import { type AuditEvent, type AuditEventFields, createAuditEvent } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";
import type { AuthorityStore } from "./authority-store.js";
import type { SharedDevices } from "./devices/shared-devices.js";
import type { KeyRing } from "./keys/key-ring.js";
import type { Metrics } from "./metrics.js";
import type { AuthorityPolicy } from "./mint/authority-policy.js";

/** What the endpoints of one authority work with. */
export interface Services {
  readonly issuer: string;
  readonly store: AuthorityStore;
  readonly keys: KeyRing;
  readonly devices: SharedDevices;
  /** As the file has it now. */
  readonly policy: () => AuthorityPolicy;
  readonly audit: AuditRecorder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What events are told to. */
export interface AuditRecorder {
  /** A promise is to be waited for before what the event tells of goes on. It rejects with an AmeshError. */
  record(event: AuditEvent): Promise<void> | undefined;
}

/** Tells the audit what this authority did, or is about to do. Throws what `AuditRecorder.record` rejects with. */
export async function record(
  { audit, issuer, now }: Pick<Services, "audit" | "issuer" | "now">,
  fields: Omit<AuditEventFields, "time" | "source">,
): Promise<void> {
  await audit.record(createAuditEvent({ ...fields, time: now() / 1000, source: issuer }));
}
