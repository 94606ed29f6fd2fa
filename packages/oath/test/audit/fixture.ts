import { type AuditEvent, type AuditSink, createAuditEvent } from "@authmesh/core";
import type { Logger } from "../../src/logger.js";

export const event = (id: string, proven = true, data: AuditEvent["data"] = {}): AuditEvent =>
  createAuditEvent({
    type: "dev.authmesh.request.refused",
    id,
    time: 1_800_000_000,
    source: "//api.example.com",
    proven,
    data,
  });

export const ids = (events: readonly AuditEvent[]): string => events.map(({ id }) => id).join("");

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A sink that keeps what it is given, and fails for as long as it is told to. */
export class Kept implements AuditSink {
  readonly events: AuditEvent[] = [];
  readonly sizes: number[] = [];
  closed = 0;
  trouble: unknown;

  async write(events: readonly AuditEvent[]): Promise<void> {
    if (this.trouble !== undefined) throw this.trouble;
    this.sizes.push(events.length);
    this.events.push(...events);
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

/** Takes what it is given and never answers, whatever its signal says. */
export class BlackHole implements AuditSink {
  readonly signals: (AbortSignal | undefined)[] = [];
  answer = () => {};

  write(_: readonly AuditEvent[], signal?: AbortSignal): Promise<void> {
    this.signals.push(signal);
    return new Promise((resolve) => {
      this.answer = resolve;
    });
  }
}

/** Timers that go off when they are told to. */
export class TestTimers {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  readonly schedule = (callback: () => void, ms: number): (() => void) => {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** How long it is until each timer goes off. */
  get pending(): readonly number[] {
    return [...this.#timers].map(({ at }) => at - this.#now);
  }

  async pass(ms: number): Promise<void> {
    this.#now += ms;
    for (const timer of [...this.#timers])
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.callback();
    await turn();
  }
}

/** A logger, and the lines that it was told. */
export function listening(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const say = (message: string, fields?: object) =>
    void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  return { logger: { debug: say, info: say, warn: say, error: say }, lines };
}
