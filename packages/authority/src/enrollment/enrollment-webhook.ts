import { AmeshError, createAuditEvent } from "@authmesh/core";
import { type Environment, secretFrom } from "@authmesh/keystore";
import { type AuditRecorder, FanOutAuditSink, WebhookAuditSink } from "@authmesh/oath/audit";
import type { Logger } from "@authmesh/sdk";
import type { StateEvent } from "../state-event.js";

/** Who is told that a machine asks to be enrolled. */
export interface EnrollmentWebhookOptions {
  /** https, or http on loopback. */
  readonly url: string;
  /** A file with the secret that is sent as `Authorization: Bearer`; read anew each time. Default: none is sent. */
  readonly secretFile?: string | undefined;
}

const urlVariable = "AMESH_ENROLLMENT_WEBHOOK_URL";
const secret = {
  variable: "AMESH_ENROLLMENT_WEBHOOK_SECRET",
  fileVariable: "AMESH_ENROLLMENT_WEBHOOK_SECRET_FILE",
  missing: "invalid_option",
} as const;

/** The webhook of approvers. */
export interface EnrollmentWebhook {
  /** Is called with every event, and passes on the requests. */
  tell(event: StateEvent): void;
  close(): Promise<void>;
}

/**
 * Opens the webhook that the options name, or the environment; undefined where neither does.
 *
 * @throws AmeshError `invalid_option` for a secret that is not there, and without an audit
 * @throws TypeError for a URL that is neither https nor on loopback
 */
export function openEnrollmentWebhook(
  given: EnrollmentWebhookOptions | undefined,
  env: Environment,
  {
    issuer,
    audit,
    logger,
  }: { readonly issuer: string; readonly audit: AuditRecorder; readonly logger: Logger },
): EnrollmentWebhook | undefined {
  const url = given?.url ?? env[urlVariable];
  if (!url) return undefined;
  if (!audit.hasSinks)
    throw new AmeshError(
      "invalid_option",
      "The webhook of enrollments passes on what the audit has, and there is none.",
    );
  const named = given?.secretFile === undefined ? env : { [secret.fileVariable]: given.secretFile };
  const headers = (): Record<string, string> => {
    const value = secretFrom(secret, named);
    return value === undefined ? {} : { Authorization: `Bearer ${value}` };
  };
  headers(); // so that a file that is not there is told of at the start
  const queue = new FanOutAuditSink([new WebhookAuditSink({ url, headers })], { logger });
  return {
    tell(event) {
      if (event.type === "dev.authmesh.enrollment.requested")
        queue.record(createAuditEvent({ ...event, proven: true, source: issuer }));
    },
    close: () => queue.close(),
  };
}
