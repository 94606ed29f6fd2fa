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

/**
 * Mails that nobody waits for. What is to be said is found out here too, so that whoever asked cannot tell by the time of the answer
 * what became of it. Nothing is kept: what waits when the process ends was not sent.
 */
export class MailQueue {
  readonly #options: MailQueueOptions;
  readonly #waiting: Compose[] = [];
  readonly #sending = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  constructor(options: MailQueueOptions) {
    this.#options = options;
  }

  /** @throws AmeshError `rate_limited` where too much waits already */
  add(compose: Compose): void {
    const { most = 1000 } = this.#options;
    if (this.#waiting.length >= most)
      throw new AmeshError("rate_limited", "Too many mails wait to be sent; ask again in a minute.");
    this.#waiting.push(compose);
    if (this.#sending.size >= atOnce) return;
    const sending = this.#sendAll().finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** Gives up what waits, and resolves when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#sending);
  }

  async #sendAll(): Promise<void> {
    // After the answer to whoever asked.
    await pause(0);
    for (let compose = this.#next(); compose !== undefined; compose = this.#next()) {
      try {
        const mail = await compose();
        if (mail !== undefined) await this.#send(mail);
      } catch (error) {
        this.#options.logger.error("a mail was not sent", { reason: reasonOf(error) });
      }
    }
  }

  #next(): Compose | undefined {
    return this.#closed.signal.aborted ? undefined : this.#waiting.shift();
  }

  async #send(mail: Mail): Promise<void> {
    const { mailer, retryAfterMs = [1_000, 10_000, 60_000] } = this.#options;
    const { signal } = this.#closed;
    for (const wait of [...retryAfterMs, undefined]) {
      try {
        return await mailer.send(mail);
      } catch (error) {
        if (wait === undefined || isFinal(error) || signal.aborted) throw error;
        await pause(wait, undefined, { signal, ref: false }).catch(() => {
          throw error;
        });
      }
    }
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
