import type { AuditEvent, AuditSink } from "@authmesh/core";
import { encodeEvent } from "./encode-event.js";

/** A logger of `@opentelemetry/api-logs`, as far as it is needed: `logs.getLogger("authmesh")`. */
export interface OpenTelemetryLogger {
  emit(record: {
    readonly eventName: string;
    /** Milliseconds since the epoch. */
    readonly timestamp: number;
    readonly severityNumber: number;
    readonly severityText: string;
    readonly body: string;
    readonly attributes: Readonly<Record<string, string | boolean>>;
  }): void;
}

/** Severities of OpenTelemetry's log data model. */
const info = { severityNumber: 9, severityText: "INFO" } as const;
const warn = { severityNumber: 13, severityText: "WARN" } as const;
const refused = /\.refused$/;

/**
 * Emits each event as a log record: its line as the body, its attributes by the semantic conventions for CloudEvents.
 * OpenTelemetry tells nobody whether a record arrived, so that this sink has kept whatever it was given.
 */
export class OpenTelemetryAuditSink implements AuditSink {
  readonly #logger: OpenTelemetryLogger;

  constructor(logger: OpenTelemetryLogger) {
    this.#logger = logger;
  }

  async write(events: readonly AuditEvent[]): Promise<void> {
    for (const event of events) {
      const { type, id, source, subject, specversion, proven } = event;
      this.#logger.emit({
        eventName: type,
        timestamp: Date.parse(event.time),
        ...(refused.test(type) ? warn : info),
        body: encodeEvent(event),
        attributes: {
          "cloudevents.event_id": id,
          "cloudevents.event_source": source,
          "cloudevents.event_spec_version": specversion,
          "cloudevents.event_type": type,
          ...(subject === undefined ? {} : { "cloudevents.event_subject": subject }),
          "authmesh.proven": proven,
        },
      });
    }
  }
}
