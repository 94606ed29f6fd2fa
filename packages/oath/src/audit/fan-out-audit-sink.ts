import { AmeshError, type AuditEvent, type AuditSink } from "@authmesh/core";
import { consoleLogger, harmless, type Logger } from "../logger.js";
import { type Schedule, unreferencedTimer } from "../timing/unreferenced-timer.js";
import { AuditQueue, type AuditQueueOptions } from "./audit-queue.js";

export interface FanOutOptions extends Pick<AuditQueueOptions, "capacity" | "timeoutMs" | "schedule"> {
  /** How many sinks must have kept an event before what it tells of goes on. Default 0: nothing waits. */
  readonly require?: number;
  /** Milliseconds that `require` may take. Default 2000. */
  readonly waitMs?: number;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

/** What verifiers and issuers tell events to. */
export interface AuditRecorder {
  /**
   * Takes an event. A promise is to be waited for before what the event tells of goes on; without one nothing waits.
   * It rejects with AmeshError `audit_unavailable`.
   *
   * @param ended called once, be it long after that: whether the sinks that it takes have the event, or found no place
   */
  record(event: AuditEvent, ended?: (kept: boolean) => void): Promise<void> | undefined;
  /** Whether as many sinks as it takes work, as far as their last writes tell. */
  readonly working: boolean;
  /** Without any, events are lost. */
  readonly hasSinks: boolean;
}

/**
 * Tells every event to several sinks. Each has a queue and a time limit of its own, so that one that fails, or gives
 * no answer, holds up nothing.
 *
 * @example
 * amesh.verify({ audit: new FanOutAuditSink([file, webhook, stream], { require: 2 }) });
 */
export class FanOutAuditSink implements AuditSink, AuditRecorder {
  readonly #queues: readonly AuditQueue[];
  readonly #require: number;
  readonly #waitMs: number;
  readonly #schedule: Schedule;

  /** @throws TypeError for what is no sink, and for options that make no sense */
  constructor(sinks: readonly AuditSink[], options: FanOutOptions = {}) {
    const { require = 0, waitMs = 2000, schedule = unreferencedTimer, capacity, timeoutMs } = options;
    if (sinks.some((sink) => typeof sink?.write !== "function"))
      throw new TypeError("audit must be an AuditSink: { write(events) }.");
    if (!Number.isSafeInteger(require) || require < 0 || require > sinks.length)
      throw new TypeError(`require must be 0 to ${sinks.length}, the number of sinks.`);
    for (const [name, value] of Object.entries({ waitMs, capacity, timeoutMs }))
      if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
        throw new TypeError(`${name} must be a whole number above 0.`);
    const logger = harmless(options.logger ?? consoleLogger);
    this.#queues = sinks.map((sink) => new AuditQueue({ sink, logger, capacity, timeoutMs, schedule }));
    this.#require = require;
    this.#waitMs = waitMs;
    this.#schedule = schedule;
  }

  /** Whether as many sinks work as are required, as far as their last writes tell. */
  get working(): boolean {
    return this.#queues.filter((queue) => queue.working).length >= this.#require;
  }

  get hasSinks(): boolean {
    return this.#queues.length > 0;
  }

  record(event: AuditEvent, ended: (kept: boolean) => void = () => {}): Promise<void> | undefined {
    if (this.#require > 0) return this.#recordSafely(event, ended);
    for (const queue of this.#queues) queue.push(event);
    ended(true);
    return undefined;
  }

  async write(events: readonly AuditEvent[]): Promise<void> {
    await Promise.all(events.map((event) => this.record(event)));
  }

  /** Writes what waits, as far as the sinks take it in time, and closes them. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }

  #recordSafely(event: AuditEvent, ended: (kept: boolean) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let kept = 0;
      const refuse = () => reject(tooFew(kept, this.#require));
      let cancel = () => {};
      const count = () => {
        if (++kept !== this.#require) return;
        cancel();
        resolve();
        ended(true);
      };
      const taken = this.#queues.filter((queue) => queue.push(event, count));
      if (taken.length < this.#require) ended(false);
      // Where it is known that too few work, nobody waits to hear it.
      if (taken.filter((queue) => queue.working).length < this.#require) refuse();
      else cancel = this.#schedule(refuse, this.#waitMs);
    });
  }
}

const tooFew = (kept: number, required: number) =>
  new AmeshError("audit_unavailable", `${kept} audit sinks had kept the event in time, not ${required}.`);

/**
 * What to record with, given a sink of the application's.
 *
 * @throws TypeError for what is no sink
 */
export const auditRecorder = (sink: AuditSink, logger: Logger): FanOutAuditSink =>
  sink instanceof FanOutAuditSink ? sink : new FanOutAuditSink([sink], { logger });
