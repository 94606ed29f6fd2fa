import { createHash, type Hash, hash } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { AmeshError, type BodyHashAlgorithm, type BodyLimits } from "@authmesh/core";
import { digestAlgorithms } from "./digest-algorithms.js";
import { tooLarge } from "./too-large.js";

/** Not in a WeakMap: what stands there outlives the young generation, with the request it belongs to. */
const tapKey = Symbol("wire tap");
type Tapped = IncomingMessage & { [tapKey]?: WireTap };

let subscribed = false;

/** From now on, bodies of requests that carry a proof are hashed as their bytes come off the wire. */
export function tapRequests(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    const algorithms = hashedFor(request);
    if (algorithms.length > 0) (request as Tapped)[tapKey] = new WireTap(request, algorithms);
  });
}

/** What a verifier may ask of this request's body; nothing where there is no proof. */
function hashedFor({ headers }: IncomingMessage): readonly BodyHashAlgorithm[] {
  if (headers["signature-input"] === undefined)
    return /^(?:authmesh|oathmesh) /i.test(headers.authorization ?? "") ? ["sha256"] : [];
  return digestAlgorithms(headers["content-digest"]?.toString());
}

export function tapOf(request: IncomingMessage): WireTap | undefined {
  const tap = (request as Tapped)[tapKey];
  return tap?.isOf(request) ? tap : undefined;
}

/**
 * Sees the body's bytes when the HTTP parser hands them to the request, before any reader does: so it makes no
 * difference whether a body parser runs before the verifier, after it, or not at all.
 */
export class WireTap {
  readonly #request: IncomingMessage;
  readonly #algorithms: readonly BodyHashAlgorithm[];
  readonly #announced: number;
  /** Of a body that comes in pieces. */
  #hashes: readonly (readonly [BodyHashAlgorithm, Hash])[] | undefined;
  /** Of a body that came in one piece, before its end was seen. */
  #wholeDigests: ReadonlyMap<BodyHashAlgorithm, string> | undefined;
  #length = 0;
  /** The bytes themselves, as long as nobody has begun to read. */
  #chunks: Buffer[] | undefined = [];
  /** By algorithm, once the body is complete. */
  #digests: ReadonlyMap<BodyHashAlgorithm, string> | undefined;
  /** Set while the verifier waits: told of each change, it says whether more bytes are wanted. */
  #waiting: ((length: number) => boolean) | undefined;

  constructor(request: IncomingMessage, algorithms: readonly BodyHashAlgorithm[]) {
    this.#request = request;
    this.#algorithms = algorithms;
    this.#announced = Number(request.headers["content-length"]);
    const push = request.push;
    request.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
      this.#take(chunk);
      const readerWantsMore = push.call(request, chunk, encoding);
      // While only the verifier waits, nobody drains the stream: it must fill up to the verifier's limit.
      return this.#waiting === undefined ? readerWantsMore : this.#waiting(this.#length);
    };
  }

  /** Not of a copy that took the tap along. */
  isOf(request: IncomingMessage): boolean {
    return this.#request === request;
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
      // Should more have been pushed than was announced, what is hashed here is not the body, and fits no signature.
      const whole = this.#length === this.#announced ? this.#wholeDigests : undefined;
      this.#digests ??= whole ?? this.#digestsOfPieces();
      return;
    }
    // At one go it costs half, and most bodies come in one piece.
    const isWhole = this.#length === 0 && chunk.length === this.#announced;
    this.#length += chunk.length;
    if (isWhole)
      this.#wholeDigests = new Map(this.#algorithms.map((name) => [name, hash(name, chunk, "hex")]));
    else for (const [, running] of this.#running()) running.update(chunk);
    if (this.#request.readableDidRead) this.#chunks = undefined;
    else this.#chunks?.push(chunk);
  }

  #running(): readonly (readonly [BodyHashAlgorithm, Hash])[] {
    this.#hashes ??= this.#algorithms.map((name) => [name, createHash(name)]);
    return this.#hashes;
  }

  #digestsOfPieces(): ReadonlyMap<BodyHashAlgorithm, string> {
    return new Map(this.#running().map(([name, running]) => [name, running.digest("hex")]));
  }
}
