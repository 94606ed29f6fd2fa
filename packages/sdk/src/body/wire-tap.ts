import { createHash } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { AmeshError, type BodyLimits } from "@authmesh/core";
import { tooLarge } from "./body-sources.js";

const taps = new WeakMap<IncomingMessage, WireTap>();
let subscribed = false;

/** From now on, bodies of requests that carry a proof are hashed as their bytes come off the wire. */
export function tapRequests(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    if (/^authmesh /i.test(request.headers.authorization ?? "")) taps.set(request, new WireTap(request));
  });
}

export const tapOf = (request: IncomingMessage): WireTap | undefined => taps.get(request);

/**
 * Sees the body's bytes when the HTTP parser hands them to the request, before any reader does: so it makes no
 * difference whether a body parser runs before the verifier, after it, or not at all.
 */
export class WireTap {
  readonly #request: IncomingMessage;
  readonly #hash = createHash("sha256");
  #length = 0;
  /** The bytes themselves, as long as nobody has begun to read. */
  #chunks: Buffer[] | undefined = [];
  #hex: string | undefined;
  /** Set while the verifier waits: told of each change, it says whether more bytes are wanted. */
  #waiting: ((length: number) => boolean) | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    const push = request.push;
    request.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
      this.#take(chunk);
      const readerWantsMore = push.call(request, chunk, encoding);
      // While only the verifier waits, nobody drains the stream: it must fill up to the verifier's limit.
      return this.#waiting === undefined ? readerWantsMore : this.#waiting(this.#length);
    };
  }

  /** Bytes seen so far. */
  get length(): number {
    return this.#length;
  }

  /** The raw body, if it is complete and nobody has begun to read it. */
  get unreadBody(): Buffer | undefined {
    return this.#hex === undefined || this.#request.readableDidRead || this.#chunks === undefined
      ? undefined
      : Buffer.concat(this.#chunks);
  }

  /**
   * Waits for the end of the body and gives its SHA-256. The stream stays as it is for whoever reads it later.
   *
   * @throws AmeshError `payload_too_large`, `body_timeout`, `body_incomplete`
   */
  async hash({ maxBytes, timeoutMs }: BodyLimits): Promise<string> {
    const request = this.#request;
    if (this.#length > maxBytes) throw tooLarge(maxBytes);
    if (this.#hex !== undefined) return this.#hex;
    if (request.destroyed) throw new AmeshError("body_incomplete");
    return new Promise<string>((resolve, reject) => {
      const finish = (error?: AmeshError) => {
        clearTimeout(timer);
        request.off("close", onClose);
        this.#waiting = undefined;
        if (error === undefined) resolve(this.#hex as string);
        else reject(error);
      };
      const onClose = () => finish(new AmeshError("body_incomplete"));
      const timer = setTimeout(() => finish(new AmeshError("body_timeout")), timeoutMs);
      request.on("close", onClose);
      this.#waiting = (length) => {
        if (length > maxBytes) finish(tooLarge(maxBytes));
        else if (this.#hex !== undefined) finish();
        return length <= maxBytes;
      };
      // The parser stopped the socket if the stream had filled up for want of a reader.
      if (request.readableLength >= request.readableHighWaterMark) request._read(0);
    });
  }

  #take(chunk: Buffer | null): void {
    if (chunk === null) {
      this.#hex ??= this.#hash.digest("hex");
      return;
    }
    this.#length += chunk.length;
    this.#hash.update(chunk);
    if (this.#request.readableDidRead) this.#chunks = undefined;
    else this.#chunks?.push(chunk);
  }
}
