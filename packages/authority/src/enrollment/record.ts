import type { AuditEventType, JsonObject } from "@authmesh/core";
import type { StateChange } from "../state-event.js";
import type { Enrollment } from "./enrollment.js";
import type { AccountWork, EnrollmentChange } from "./enrollment-store.js";

/** What the audit calls it, after `dev.authmesh.`. */
export type EnrollmentEvent =
  Extract<
    AuditEventType,
    `dev.authmesh.${"account" | "enrollment"}.${string}`
  > extends `dev.authmesh.${infer Name}`
    ? Name
    : never;

/** Writes a change, and what the audit is to be told of it. @param by the enrollment that did it */
export async function record(
  work: AccountWork,
  event: EnrollmentEvent,
  change: EnrollmentChange,
  by?: string,
): Promise<void> {
  await work.write(change);
  const about = change.after ?? change.before;
  if (about !== undefined) await work.tell(toldOf(event, about, by));
}

export function toldOf(event: EnrollmentEvent, enrollment: Enrollment, by?: string): StateChange {
  const { id, account, appName, deviceName, status, scopes, expiresAt, reason, address } = enrollment;
  const data: JsonObject = {
    account,
    enrollment: id,
    name: `${appName}/${deviceName}`,
    status,
    scopes: { ...scopes },
    address,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(reason === undefined ? {} : { reason }),
    ...(by === undefined ? {} : { by }),
  };
  return { type: `dev.authmesh.${event}`, subject: enrollment.deviceId, data };
}
