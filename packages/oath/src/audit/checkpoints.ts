import { AmeshError, type AuditEvent, createAuditEvent } from "@authmesh/core";
import type { TokenSigner } from "../keys.js";
import { consoleLogger, harmless, type Logger } from "../logger.js";
import type { Schedule } from "../timing/index.js";
import type { ChainHead } from "./chain.js";
import { signCheckpoint } from "./checkpoint.js";

export interface CheckpointOptions {
  readonly signer: TokenSigner;
  /** Events after which the next is signed. Default 1000. */
  readonly everyEvents?: number;
  /** Seconds after an event in which it is signed at the latest. Default 60. */
  readonly everySeconds?: number;
  /**
   * Told each checkpoint once it is signed, to keep it where whoever can write the log cannot: without that, nobody can
   * tell a log that was cut off from one that ended there.
   */
  readonly onCheckpoint?: (jws: string) => void;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

interface Parts {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  readonly append: (event: AuditEvent) => Promise<void>;
}

const longestSigningMs = 10_000;

/**
 * Has the chain signed now and then, beside the events: a slow key holds up no line, since a checkpoint names the line
 * that it is about and may stand a few lines behind it.
 */
export class Checkpoints {
  readonly #options: CheckpointOptions & Parts;
  readonly #logger: Logger;
  readonly #everyEvents: number;
  /** Since the head that was signed last. */
  #events = 0;
  /** The last attempt failed: there is no other before its time. */
  #failed = false;
  #head: ChainHead | undefined;
  #signing: Promise<void> | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: CheckpointOptions & Parts) {
    const { everyEvents = 1000, everySeconds = 60 } = options;
    for (const [name, value] of Object.entries({ everyEvents, everySeconds }))
      if (!Number.isSafeInteger(value) || value < 1)
        throw new TypeError(`${name} must be a whole number above 0.`);
    this.#options = options;
    this.#logger = harmless(options.logger ?? consoleLogger);
    this.#everyEvents = everyEvents;
  }

  /** The chain has grown. */
  advanced(head: ChainHead, events: readonly AuditEvent[]): void {
    this.#head = head;
    const fresh = events.filter(({ type }) => type !== "dev.authmesh.audit.checkpoint").length;
    if (fresh === 0) return; // or each checkpoint would ask for the next
    this.#events += fresh;
    if (this.#events >= this.#everyEvents && !this.#failed) this.#begin();
    else this.#arm();
  }

  /** Has the last lines signed. */
  async close(): Promise<void> {
    await this.#signing;
    this.#cancel?.();
    if (this.#events > 0) this.#begin();
    await this.#signing;
    this.#cancel?.();
  }

  #arm(): void {
    this.#cancel ??= this.#options.schedule(
      () => {
        this.#cancel = undefined;
        this.#begin();
      },
      (this.#options.everySeconds ?? 60) * 1000,
    );
  }

  #begin(): void {
    if (this.#signing !== undefined) return;
    this.#cancel?.();
    this.#cancel = undefined;
    const signed = this.#events;
    this.#signing = this.#sign(this.#head as ChainHead)
      .then(() => {
        this.#events -= signed;
        this.#failed = false;
      })
      .catch((error: unknown) => {
        this.#failed = true;
        const kind = error instanceof Error ? error.message : String(error);
        this.#logger.error("a checkpoint of the audit was not made", { error: kind });
      })
      .finally(() => {
        this.#signing = undefined;
        if (this.#events > 0) this.#arm();
      });
  }

  async #sign(head: ChainHead): Promise<void> {
    const { signer, now, append, onCheckpoint } = this.#options;
    const time = now() / 1000;
    const { sequence, hash } = head;
    const signing = signCheckpoint({ sequence, hash, at: Math.floor(time) }, signer);
    const checkpoint = await this.#inTime(signing);
    const [type, source] = ["dev.authmesh.audit.checkpoint", "urn:authmesh:audit"] as const;
    await append(createAuditEvent({ type, source, time, proven: true, data: { checkpoint } }));
    onCheckpoint?.(checkpoint);
  }

  async #inTime<T>(signing: Promise<T>): Promise<T> {
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => reject(new AmeshError("key_store_busy", "The key gave no signature in time."));
      cancel = this.#options.schedule(giveUp, longestSigningMs);
    });
    return Promise.race([signing, late]).finally(cancel);
  }
}
