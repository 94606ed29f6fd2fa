import type { AuditEvent, AuditEventType, AuditSink } from "@authmesh/core";
import { FanOutAuditSink } from "@authmesh/oath/audit";
import { vi } from "vitest";
import { silent } from "./running-authority.js";

/** An audit that is required, and fails for events of one type for as long as it is told to. */
export class FailingAudit implements AuditSink {
  readonly events: AuditEvent[] = [];
  readonly required = new FanOutAuditSink([this], { require: 1, waitMs: 300, logger: silent });
  #failing: AuditEventType | undefined;

  async write(events: readonly AuditEvent[]): Promise<void> {
    if (events.some(({ type }) => type === this.#failing)) throw new Error("disk full");
    this.events.push(...events);
  }

  /** What comes of `work` while such events cannot be kept. Resolves once they can be again. */
  async during<T>(failing: AuditEventType, work: () => Promise<T>): Promise<T> {
    this.#failing = failing;
    const before = this.events.length;
    try {
      return await work();
    } finally {
      this.#failing = undefined;
      await vi.waitUntil(() => this.events.slice(before).some(({ type }) => type === failing), 10_000);
    }
  }
}
