import { AmeshError, type AuditEvent, type AuditSink, quoteForeign } from "@authmesh/core";
import type { Logger } from "./logger.js";
import { unreferencedTimer } from "./unreferenced-timer.js";

export interface AuditQueueOptions {
  readonly sink: AuditSink;
  readonly logger: Logger;
  /** Events that wait at most. Default 10,000. */
  readonly capacity?: number;
  /** Calls back after some milliseconds. Default: a timer that keeps no process alive. */
  readonly schedule?: (callback: () => void, ms: number) => void;
}

const mostInOneWrite = 500;
const firstPauseMs = 500;
const longestPauseMs = 30_000;

/**
 * Carries events to a sink, in order and in batches, while requests go on: one write at a time, tried again for as
 * long as it fails. What waits is bounded. Callers that proved nothing may fill half of it at most, so that a flood
 * of theirs pushes out no event of a device; what finds no place is counted, and the log says how many there were.
 */
export class AuditQueue {
  readonly #sink: AuditSink;
  readonly #logger: Logger;
  readonly #capacity: number;
  readonly #schedule: (callback: () => void, ms: number) => void;
  readonly #waiting: AuditEvent[] = [];
  #writing = false;
  #leftOut = 0;
  #failures = 0;

  constructor(options: AuditQueueOptions) {
    this.#sink = options.sink;
    this.#logger = options.logger;
    this.#capacity = options.capacity ?? 10_000;
    this.#schedule = options.schedule ?? unreferencedTimer;
  }

  push(event: AuditEvent): void {
    const places = event.proven ? this.#capacity : this.#capacity / 2;
    if (this.#waiting.length >= places) {
      this.#leftOut++;
      return;
    }
    this.#waiting.push(event);
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => void this.#write());
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, mostInOneWrite);
      try {
        await this.#sink.write(batch);
      } catch (error) {
        this.#tryAgain(error);
        return;
      }
      this.#waiting.splice(0, batch.length);
      this.#recovered();
    }
    this.#writing = false;
  }

  #tryAgain(error: unknown): void {
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures++);
    this.#logger.error("the audit sink failed", {
      error: describe(error),
      waiting: this.#waiting.length,
      leftOut: this.#leftOut,
      retryInMs: pause,
    });
    this.#schedule(() => void this.#write(), pause);
  }

  #recovered(): void {
    if (this.#leftOut > 0) {
      this.#logger.error(`${this.#leftOut} audit events were left out: the sink was too slow for them`);
      this.#leftOut = 0;
    }
    if (this.#failures > 0) this.#logger.warn("the audit sink works again", { failures: this.#failures });
    this.#failures = 0;
  }
}

/** Not a foreign error's message, which may hold an address with a password in it. */
function describe(error: unknown): string {
  if (error instanceof AmeshError) return error.message;
  const kind = error instanceof Error ? ((error as { code?: unknown }).code ?? error.name) : typeof error;
  return quoteForeign(String(kind));
}
