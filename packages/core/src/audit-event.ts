import type { JsonObject } from "./canonical-json.js";
import { type Caller, type Decision, newDecisionId, type Refused } from "./decision.js";
import { sha256Hex } from "./hash.js";

/** What happened. */
export type AuditEventType = `dev.authmesh.${
  | "request.allowed"
  | "request.refused"
  | "token.minted"
  | "token.refused"
  | "token.exchanged"
  | "token.revoked"
  | "revocation.removed"
  | "key.rotated"
  | "device.added"
  | "device.changed"
  | "device.removed"
  | "device.revoked"
  | "account.created"
  | "account.onboarded"
  | "account.recovered"
  | `enrollment.${"requested" | "approved" | "denied" | "revoked" | "unrevoked" | "narrowed" | "extended" | "rotated" | "locked" | "suspected" | "expired" | "cancelled" | "deleted"}`
  | "feed.epoch"
  | "policy.reloaded"
  | "policy.refused"
  | "audit.checkpoint"
  | "audit.notice"}`;

/** A CloudEvent 1.0 (docs/protocol.md, section 13.1). Plain data: canonical JSON gives its line. */
export interface AuditEvent {
  readonly specversion: "1.0";
  readonly type: AuditEventType;
  /** Of a decision: its id, as the caller got it in `AuthMesh-Decision`. */
  readonly id: string;
  /** "2026-03-30T12:00:00.000Z" */
  readonly time: string;
  /** Who tells: "//api.example.com", or the URL of an issuer. A URI reference. */
  readonly source: string;
  /** Whom it is about, once that is proven: a device id, or the subject of a token. */
  readonly subject?: string;
  /** Whether whoever caused it had proved itself by then. */
  readonly proven: boolean;
  readonly datacontenttype: "application/json";
  /** What is only claimed stands in the member `unverified`. */
  readonly data: JsonObject;
}

export interface AuditEventFields extends Pick<AuditEvent, "type" | "source" | "proven" | "data"> {
  /** Default: 96 random bits. */
  readonly id?: string | undefined;
  /** Unix seconds; fractions count to the millisecond. */
  readonly time: number;
  readonly subject?: string | undefined;
}

/** The one way in which an event comes to be. */
export function createAuditEvent(fields: AuditEventFields): AuditEvent {
  const { type, id = newDecisionId(), time, source, subject, proven, data } = fields;
  return {
    specversion: "1.0",
    type,
    id,
    time: new Date(Math.round(time * 1000)).toISOString(),
    source,
    ...(subject === undefined ? {} : { subject }),
    proven,
    datacontenttype: "application/json",
    data,
  };
}

/**
 * The event of a decision on a device's request.
 *
 * @param host the Host header, as it came
 * @param time Unix seconds
 */
export function requestAuditEvent(
  decision: Decision,
  { method, host }: { readonly method: string; readonly host: string | undefined },
  { time, source }: Pick<AuditEventFields, "time" | "source">,
): AuditEvent {
  const { allowed, id, target, bodyHash, evidence, caller, proven } = decision;
  return createAuditEvent({
    type: allowed ? "dev.authmesh.request.allowed" : "dev.authmesh.request.refused",
    id,
    time,
    source,
    subject: proven ? caller?.id : undefined,
    proven,
    data: {
      request: {
        method,
        target: auditedText(target, proven),
        ...(host === undefined ? {} : { host: auditedText(host, proven) }),
        ...(bodyHash === undefined ? {} : { bodyHash }),
      },
      ...(caller === undefined ? {} : said(caller, proven)),
      ...(allowed ? {} : reasonOf(decision)),
      ...(evidence === undefined ? {} : { evidence: { ...evidence } }),
    },
  });
}

const longestUnproven = 256;

/**
 * A target or a Host header as an audit keeps it: whole of a caller that proved itself. Of anybody else a long one is cut, so that a
 * stranger's bytes do not fill the log, and its hash says which it was (docs/protocol.md, section 13.1).
 */
export const auditedText = (text: string, proven: boolean): string =>
  proven || text.length <= longestUnproven
    ? text
    : `${text.slice(0, longestUnproven).toWellFormed()}…sha256:${sha256Hex(text)}`;

const reasonOf = ({ failure: { code }, step, after }: Refused): JsonObject => ({
  code,
  step,
  ...(after === undefined ? {} : { after }),
});

function said({ kind, id, name }: Pick<Caller, "kind" | "id" | "name">, proven: boolean): JsonObject {
  const caller = { kind, id, name };
  return proven ? { caller } : { unverified: { caller } };
}

/** Where audit events go. */
export interface AuditSink {
  /**
   * Keeps the events; resolves when they are safe. Events may come again after a failure: they are told apart by
   * `id` and `source`.
   *
   * @param signal aborted when nobody waits any more
   */
  write(events: readonly AuditEvent[], signal?: AbortSignal): Promise<void>;
  close?(): Promise<void>;
}
