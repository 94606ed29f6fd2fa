import { createHash, type Hash } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { AmeshError, type BodyHashAlgorithm, type BodyLimits } from "@authmesh/core";
import { digestAlgorithms } from "./digest-algorithms.js";
import { tooLarge } from "./too-large.js";

const taps = new WeakMap<IncomingMessage, WireTap>();
let subscribed = false;

/** From now on, bodies of requests that carry a proof are hashed as their bytes come off the wire. */
export function tapRequests(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    const algorithms = hashedFor(request);
    if (algorithms.length > 0) taps.set(request, new WireTap(request, algorithms));
  });
}

/** What a verifier may ask of this request's body; nothing where there is no proof. */
function hashedFor({ headers }: IncomingMessage): readonly BodyHashAlgorithm[] {
  if (headers["signature-input"] === undefined)
    return /^authmesh /i.test(headers.authorization ?? "") ? ["sha256"] : [];
  return digestAlgorithms(headers["content-digest"]?.toString());
}

export const tapOf = (request: IncomingMessage): WireTap | undefined => taps.get(request);

/**
 * Sees the body's bytes when the HTTP parser hands them to the request, before any reader does: so it makes no
 * difference whether a body parser runs before the verifier, after it, or not at all.
 */
export class WireTap {
  readonly #request: IncomingMessage;
  readonly #hashes: readonly (readonly [BodyHashAlgorithm, Hash])[];
  #length = 0;
  /** The bytes themselves, as long as nobody has begun to read. */
  #chunks: Buffer[] | undefined = [];
  /** By algorithm, once the body is complete. */
  #digests: ReadonlyMap<BodyHashAlgorithm, string> | undefined;
  /** Set while the verifier waits: told of each change, it says whether more bytes are wanted. */
  #waiting: ((length: number) => boolean) | undefined;

  constructor(request: IncomingMessage, algorithms: readonly BodyHashAlgorithm[]) {
    this.#request = request;
    this.#hashes = algorithms.map((algorithm) => [algorithm, createHash(algorithm)]);
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
    return this.#digests === undefined || this.#request.readableDidRead || this.#chunks === undefined
      ? undefined
      : Buffer.concat(this.#chunks);
  }

  /**
   * Waits for the end of the body and gives its hashes. The stream stays as it is for whoever reads it later.
   *
   * @throws AmeshError `payload_too_large`, `body_timeout`, `body_incomplete`
   */
  async digests({ maxBytes, timeoutMs }: BodyLimits): Promise<ReadonlyMap<BodyHashAlgorithm, string>> {
    const request = this.#request;
    if (this.#length > maxBytes) throw tooLarge(maxBytes);
    if (this.#digests !== undefined) return this.#digests;
    if (request.destroyed) throw new AmeshError("body_incomplete");
    return new Promise((resolve, reject) => {
      const finish = (error?: AmeshError) => {
        clearTimeout(timer);
        request.off("close", onClose);
        this.#waiting = undefined;
        if (error === undefined) resolve(this.#digests as ReadonlyMap<BodyHashAlgorithm, string>);
        else reject(error);
      };
      const onClose = () => finish(new AmeshError("body_incomplete"));
      const timer = setTimeout(() => finish(new AmeshError("body_timeout")), timeoutMs);
      request.on("close", onClose);
      this.#waiting = (length) => {
        if (length > maxBytes) finish(tooLarge(maxBytes));
        else if (this.#digests !== undefined) finish();
        return length <= maxBytes;
      };
      // The parser stopped the socket if the stream had filled up for want of a reader.
      if (request.readableLength >= request.readableHighWaterMark) request._read(0);
    });
  }

  #take(chunk: Buffer | null): void {
    if (chunk === null) {
      this.#digests ??= new Map(this.#hashes.map(([algorithm, hash]) => [algorithm, hash.digest("hex")]));
      return;
    }
    this.#length += chunk.length;
    for (const [, hash] of this.#hashes) hash.update(chunk);
    if (this.#request.readableDidRead) this.#chunks = undefined;
    else this.#chunks?.push(chunk);
  }
}
