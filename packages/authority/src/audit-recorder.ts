import type { AuditSink } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";
import type { AuditRecorder } from "./services.js";

/** Tells events to a sink, one write after another. */
export function auditRecorder(
  sink: AuditSink | undefined,
  logger: Logger,
): AuditRecorder & { close(): Promise<void> } {
  let last: Promise<void> = Promise.resolve();
  return {
    record(event) {
      if (sink === undefined) return undefined;
      last = last
        .then(() => sink.write([event]))
        .catch((error: unknown) => logger.error(`the audit sink failed: ${String(error)}`));
      return undefined;
    },
    close: () => last,
  };
}
