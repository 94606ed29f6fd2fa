import { AmeshError, type AuditEvent, type AuditSink, quoteForeign } from "@authmesh/core";
import type { Logger } from "../logger.js";
import { type Schedule, unreferencedTimer } from "../timing/unreferenced-timer.js";

export interface AuditQueueOptions {
  readonly sink: AuditSink;
  readonly logger: Logger;
  /** Events that wait at most. Default 10,000. */
  readonly capacity?: number | undefined;
  /** Milliseconds after which a write is given up. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Default: a timer that keeps no process alive. */
  readonly schedule?: Schedule | undefined;
}

const mostInOneWrite = 500;
const firstPauseMs = 500;
const longestPauseMs = 30_000;

interface Waiting {
  readonly event: AuditEvent;
  readonly kept: (() => void) | undefined;
}

/**
 * Carries events to a sink, in order and in batches, while requests go on: one write at a time, tried again for as
 * long as it fails. What waits is bounded. Callers that proved nothing may fill half of it at most, so that a flood
 * of theirs pushes out no event of a device; what finds no place is counted, and the log says how many there were.
 * A sink that does not answer is told so by its signal, and gets no second write while the first is under way.
 */
export class AuditQueue {
  readonly #sink: AuditSink;
  readonly #logger: Logger;
  readonly #capacity: number;
  readonly #timeoutMs: number;
  readonly #schedule: Schedule;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #cancelPause: (() => void) | undefined;
  #leftOut = 0;
  #failures = 0;
  #late = false;
  #closed = false;

  constructor(options: AuditQueueOptions) {
    this.#sink = options.sink;
    this.#logger = options.logger;
    this.#capacity = options.capacity ?? 10_000;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#schedule = options.schedule ?? unreferencedTimer;
  }

  /** Whether the sink works, as far as its last write tells. */
  get working(): boolean {
    return this.#failures === 0 && !this.#late && !this.#closed;
  }

  /**
   * @param kept called once the sink has the event
   * @returns false when there was no place for it
   */
  push(event: AuditEvent, kept?: () => void): boolean {
    const places = event.proven ? this.#capacity : this.#capacity / 2;
    if (this.#closed || this.#waiting.length >= places) {
      this.#leftOut++;
      return false;
    }
    this.#waiting.push({ event, kept });
    if (this.#cancelPause === undefined) this.#writing ??= Promise.resolve().then(() => this.#write());
    return true;
  }

  /** Takes no more events, writes what waits if the sink lets it, and closes the sink. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#cancelPause !== undefined) {
      this.#cancelPause();
      this.#cancelPause = undefined;
      this.#writing = this.#write();
    }
    await this.#soon(this.#writing);
    this.#tellLeftOut(this.#leftOut + this.#waiting.length);
    await this.#soon(this.#sink.close?.());
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, mostInOneWrite);
      try {
        await this.#inTime(batch.map(({ event }) => event));
      } catch (error) {
        this.#tryAgain(error);
        break;
      }
      this.#waiting.splice(0, batch.length);
      this.#recovered();
      for (const { kept } of batch) kept?.();
    }
    this.#writing = undefined;
  }

  async #inTime(events: readonly AuditEvent[]): Promise<void> {
    const limit = new AbortController();
    const cancel = this.#schedule(() => {
      this.#late = true;
      this.#logger.error("the audit sink does not answer", { waiting: this.#waiting.length });
      limit.abort(new AmeshError("audit_unavailable", `There was no answer within ${this.#timeoutMs} ms.`));
    }, this.#timeoutMs);
    try {
      await this.#sink.write(events, limit.signal);
    } finally {
      cancel();
    }
  }

  #tryAgain(error: unknown): void {
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures++, 10));
    const retry = this.#closed ? {} : { retryInMs: pause };
    const [waiting, leftOut] = [this.#waiting.length, this.#leftOut];
    this.#logger.error("the audit sink failed", { error: describe(error), waiting, leftOut, ...retry });
    if (this.#closed) return;
    this.#cancelPause = this.#schedule(() => {
      this.#cancelPause = undefined;
      this.#writing = this.#write();
    }, pause);
  }

  #recovered(): void {
    this.#tellLeftOut(this.#leftOut);
    if (!this.working && !this.#closed)
      this.#logger.warn("the audit sink works again", { failures: this.#failures });
    this.#failures = 0;
    this.#late = false;
  }

  #tellLeftOut(count: number): void {
    if (count > 0)
      this.#logger.error(`${count} audit events were left out: the sink did not take them in time`);
    this.#leftOut = 0;
  }

  /** Waits for a while. */
  async #soon(work: Promise<void> | undefined): Promise<void> {
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => {
      cancel = this.#schedule(resolve, this.#timeoutMs);
    });
    const done = Promise.resolve(work).catch((error: unknown) => {
      this.#logger.error("the audit sink failed", { error: describe(error) });
    });
    await Promise.race([done, limit]).finally(cancel);
  }
}

/** Not a foreign error's message, which may hold an address with a password in it. */
function describe(error: unknown): string {
  if (error instanceof AmeshError) return error.message;
  const kind = error instanceof Error ? ((error as { code?: unknown }).code ?? error.name) : typeof error;
  return quoteForeign(String(kind));
}
