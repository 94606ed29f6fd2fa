import type { Writable } from "node:stream";
import { AmeshError, type AuditEvent, type AuditSink, quoteForeign } from "@authmesh/core";
import { errorCode } from "@authmesh/core/storage-error";
import { encodeEvent } from "../audit/encode-event.js";

/** Writes each event as a line, for whoever collects the output of a process. */
export class StreamAuditSink implements AuditSink {
  readonly #stream: Writable;

  /** @param stream default: standard output; it stays open */
  constructor(stream: Writable = process.stdout) {
    this.#stream = stream;
  }

  /** Resolves when the system has the lines. @throws AmeshError `audit_unavailable` */
  write(events: readonly AuditEvent[]): Promise<void> {
    const lines = events.map((event) => `${encodeEvent(event)}\n`).join("");
    return new Promise((resolve, reject) => {
      this.#stream.write(lines, (error) => (error ? reject(notWritten(error)) : resolve()));
    });
  }
}

const notWritten = (cause: Error) =>
  new AmeshError(
    "audit_unavailable",
    `The stream cannot be written: ${quoteForeign(errorCode(cause) ?? cause.name)}.`,
    {
      cause,
    },
  );
