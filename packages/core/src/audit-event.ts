import type { Caller, Decision } from "./decision.js";
import type { ErrorCode } from "./errors.js";
import type { Evidence, RecordedRequest } from "./evidence.js";

/** One decision, as an audit keeps it. Plain data: `JSON.stringify` gives its line. */
export interface AuditEvent {
  readonly version: 1;
  /** Id of the decision, as the caller got it in `AuthMesh-Decision`. */
  readonly decision: string;
  /** Unix seconds. */
  readonly time: number;
  readonly outcome: "allowed" | "refused";
  /** Whether the caller had proved itself by then; what is said of it is no more than its claim otherwise. */
  readonly proven: boolean;
  readonly caller?: Pick<Caller, "kind" | "id" | "name">;
  readonly request: RecordedRequest & {
    /** The Host header, as it came. */
    readonly host?: string;
  };
  /** Why it was refused: a code of the catalogue, and the step that found it. */
  readonly code?: ErrorCode;
  readonly step?: string;
  /** What lets a third party check that the caller did send this request. Only when asked for, and only if proven. */
  readonly evidence?: Evidence;
}

/** Where audit events go. */
export interface AuditSink {
  /**
   * Keeps the events; resolves when they are safe. Events may come again after a failure: they are told apart by
   * `decision`.
   */
  write(events: readonly AuditEvent[]): Promise<void>;
  close?(): Promise<void>;
}

/**
 * The audit event of a decision.
 *
 * @param host the Host header, as it came
 * @param time Unix seconds
 */
export function auditEvent(
  decision: Decision,
  { method, host }: { readonly method: string; readonly host: string | undefined },
  time: number,
): AuditEvent {
  const { target, bodyHash, evidence, caller } = decision;
  return {
    version: 1,
    decision: decision.id,
    time,
    outcome: decision.allowed ? "allowed" : "refused",
    proven: decision.proven,
    ...(caller === undefined ? {} : { caller: { kind: caller.kind, id: caller.id, name: caller.name } }),
    request: {
      method,
      target,
      ...(host === undefined ? {} : { host }),
      ...(bodyHash === undefined ? {} : { bodyHash }),
    },
    ...(decision.allowed ? {} : { code: decision.failure.code, step: decision.step }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}
