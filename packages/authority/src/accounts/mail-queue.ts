import { setTimeout as pause } from "node:timers/promises";
import { AmeshError, quoteForeign } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";
import type { Mail, Mailer } from "./mailer.js";

/** What is to be sent; undefined where nothing is. */
export type Compose = () => Promise<Mail | undefined>;

export interface MailQueueOptions {
  readonly mailer: Pick<Mailer, "send">;
  readonly logger: Logger;
  /** How many mails may wait. Default 1,000. */
  readonly most?: number;
  /** Milliseconds before each further attempt. Default 1 s, 10 s, 60 s. */
  readonly retryAfterMs?: readonly number[];
}

const atOnce = 4;

interface Waiting {
  readonly compose: Compose;
  /** How often it was tried. */
  readonly failures: number;
}

/**
 * Mails that nobody waits for. What is to be said is found out here too, so that whoever asked cannot tell by the time of the answer
 * what became of it. One that failed is put back until it is due, and holds no other one up. Nothing is kept: what waits when the
 * process ends was not sent.
 */
export class MailQueue {
  readonly #options: MailQueueOptions;
  readonly #due: Waiting[] = [];
  readonly #later = new Set<NodeJS.Timeout>();
  readonly #sending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: MailQueueOptions) {
    this.#options = options;
  }

  /** @throws AmeshError `rate_limited` where too much waits already */
  add(compose: Compose): void {
    const { most = 1000 } = this.#options;
    if (this.#due.length + this.#later.size >= most)
      throw new AmeshError("rate_limited", "Too many mails wait to be sent; ask again in a minute.");
    this.#isDue({ compose, failures: 0 });
  }

  /** Gives up what waits, and resolves when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#later) clearTimeout(timer);
    await Promise.all(this.#sending);
  }

  #isDue(waiting: Waiting): void {
    this.#due.push(waiting);
    if (this.#sending.size >= atOnce) return;
    const sending = this.#sendAll().finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #sendAll(): Promise<void> {
    // After the answer to whoever asked.
    await pause(0);
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        const mail = await next.compose();
        if (mail !== undefined) await this.#send(mail, next.failures);
      } catch (error) {
        this.#options.logger.error("a mail was not sent", { reason: reasonOf(error) });
      }
    }
  }

  #next(): Waiting | undefined {
    return this.#isClosed ? undefined : this.#due.shift();
  }

  async #send(mail: Mail, failures: number): Promise<void> {
    const { mailer, logger, retryAfterMs = [1_000, 10_000, 60_000] } = this.#options;
    try {
      await mailer.send(mail);
    } catch (error) {
      const wait = retryAfterMs[failures];
      if (wait === undefined || isFinal(error) || this.#isClosed) throw error;
      if (failures === 0) logger.warn("a mail waits to be sent again", { reason: reasonOf(error) });
      this.#putBack({ compose: async () => mail, failures: failures + 1 }, wait);
    }
  }

  #putBack(waiting: Waiting, forMs: number): void {
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      this.#isDue(waiting);
    }, forMs);
    timer.unref();
    this.#later.add(timer);
  }
}

type SmtpError = { readonly code?: unknown; readonly responseCode?: unknown };

/** A reply of 500 and up is the same the next time (RFC 5321, 4.2.1). */
const isFinal = (error: unknown): boolean => Number((error as SmtpError | null)?.responseCode ?? 0) >= 500;

/** Never the message, which may repeat addresses. */
function reasonOf(error: unknown): string {
  if (error instanceof AmeshError) return `${error.code}: ${error.message}`;
  const { code, responseCode } = (error ?? {}) as SmtpError;
  return (
    [code, responseCode]
      .filter((part) => part !== undefined)
      .map((part) => quoteForeign(String(part)))
      .join(" ") || "unknown"
  );
}
