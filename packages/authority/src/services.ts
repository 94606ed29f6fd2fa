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
  readonly tell: (event: AuditEvent) => void;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Tells the audit what this authority did. */
export function record(
  { tell, issuer, now }: Pick<Services, "tell" | "issuer" | "now">,
  fields: Omit<AuditEventFields, "time" | "source">,
): void {
  tell(createAuditEvent({ ...fields, time: now() / 1000, source: issuer }));
}
