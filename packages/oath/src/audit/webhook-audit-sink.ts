import { AmeshError, type AuditEvent, type AuditSink, utf8 } from "@authmesh/core";
import { encodeEvent } from "./encode-event.js";

export interface WebhookOptions {
  /** https, or http on loopback. */
  readonly url: string;
  /**
   * Headers of every request, such as `Authorization`; asked for anew each time, so that a secret may be read from a
   * file that changes. Default none.
   */
  readonly headers?: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Bytes of one request. A single event that is longer goes alone. Default 1 MiB. */
  readonly maxBytes?: number;
  readonly fetch?: typeof globalThis.fetch;
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Posts events in batches (CloudEvents, HTTP binding 3.3): a JSON array, `application/cloudevents-batch+json`. Any status
 * but 2xx is a failure, a redirect too. Time limit and further attempts are those of the queue in front.
 */
export class WebhookAuditSink implements AuditSink {
  readonly #url: URL;
  readonly #headers: NonNullable<WebhookOptions["headers"]>;
  readonly #maxBytes: number;
  readonly #fetch: typeof globalThis.fetch;

  /** @throws TypeError for another URL */
  constructor({ url, headers = () => ({}), maxBytes = 1 << 20, fetch = globalThis.fetch }: WebhookOptions) {
    this.#url = new URL(url);
    const { protocol, hostname } = this.#url;
    if (protocol !== "https:" && !(protocol === "http:" && loopback.test(hostname)))
      throw new TypeError("url must be https, or http on loopback.");
    this.#headers = headers;
    this.#maxBytes = maxBytes;
    this.#fetch = fetch;
  }

  /** @throws AmeshError `audit_unavailable` */
  async write(events: readonly AuditEvent[], signal?: AbortSignal): Promise<void> {
    const headers = { ...(await this.#headers()), "Content-Type": "application/cloudevents-batch+json" };
    for (const body of this.#bodies(events)) await this.#post(body, headers, signal);
  }

  *#bodies(events: readonly AuditEvent[]): Generator<string> {
    let lines: string[] = [];
    let bytes = 0;
    for (const event of events) {
      const line = encodeEvent(event);
      const size = utf8(line).length + 1;
      if (bytes > 0 && bytes + size > this.#maxBytes) {
        yield `[${lines.join(",")}]`;
        lines = [];
        bytes = 0;
      }
      lines.push(line);
      bytes += size;
    }
    if (lines.length > 0) yield `[${lines.join(",")}]`;
  }

  async #post(body: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<void> {
    const init = { method: "POST", body, headers, redirect: "manual", signal: signal ?? null } as const;
    let response: Response;
    try {
      response = await this.#fetch(this.#url, init);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new AmeshError("audit_unavailable", `${this.#url.host} cannot be reached.`, { cause });
    }
    await response.body?.cancel().catch(() => {}); // what it says is of no interest, and may be endless
    if (!response.ok)
      throw new AmeshError("audit_unavailable", `${this.#url.host} answered ${response.status}.`);
  }
}
