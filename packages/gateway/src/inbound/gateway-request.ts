import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Readable } from "node:stream";
import { AmeshError, type BodyHashAlgorithm, type BodyLimits, type IncomingRequest } from "@authmesh/core";
import { digestAlgorithms } from "@authmesh/sdk/guard";
import type { RouteSettings } from "../config/settings.js";
import type { ForwardedBody } from "../forward/forwarder.js";
import { LiveBody } from "./live-body.js";
import type { RequestHead } from "./request-checks.js";
import { announcesBody, valuesOf } from "./request-head.js";
import { Spool, type SpoolRoom } from "./spool.js";

/** A request and the answer to it, of `node:http` or of the compatible half of `node:http2`. */
export interface Exchange {
  readonly request: IncomingMessage | Http2ServerRequest;
  readonly response: ServerResponse | Http2ServerResponse;
}

/** What a body is held to, and where it waits. */
export interface BodyRoom {
  readonly route: RouteSettings;
  readonly room: SpoolRoom;
  /** The caller sends its body only when told to. */
  readonly expectsContinue: boolean;
}

type Hashes = ReadonlyMap<BodyHashAlgorithm, string>;

/**
 * A request as the verifier reads it, and its body on to the upstream: from where it waited if the verifier read it, else
 * as it arrives (docs/protocol.md, section 14.3). The limits are the route's own.
 */
export class GatewayRequest implements IncomingRequest {
  readonly method: string;
  readonly target: string;
  readonly hasBody: boolean;
  recordedNonce?: string;
  readonly #head: RequestHead;
  readonly #exchange: Exchange;
  readonly #body: BodyRoom;
  readonly #announced: number | undefined;
  #spool: Spool | undefined;
  #hashes: Promise<Hashes> | undefined;
  #taken: Readable | undefined;
  #released = false;

  constructor(head: RequestHead, exchange: Exchange, body: BodyRoom) {
    this.#head = head;
    this.#exchange = exchange;
    this.#body = body;
    this.method = head.method;
    this.target = head.target;
    const [length] = this.headers("content-length");
    this.#announced = length === undefined ? undefined : Number(length);
    const { request } = exchange;
    this.hasBody = "stream" in request ? !request.stream.endAfterHeaders : announcesBody(head.rawHeaders);
  }

  headers(name: string): readonly string[] {
    return valuesOf(this.#head.rawHeaders, name);
  }

  async bodyHash({ maxBytes }: BodyLimits, algorithm: BodyHashAlgorithm = "sha256"): Promise<string> {
    this.#hashes ??= this.#read();
    const hashes = await this.#hashes;
    // Another verifier may have a lower limit.
    if ((this.#spool?.length ?? 0) > maxBytes) throw tooLarge(maxBytes);
    return hashes.get(algorithm) ?? "";
  }

  /**
   * Waits for a short body that nobody verified: while it comes, no connection to an upstream stands idle for it.
   *
   * @throws AmeshError `body_timeout`, `body_incomplete`, `payload_too_large`, `gateway_busy`
   */
  async gatherShortBody(): Promise<void> {
    const { bodyBytes, memoryBytes } = this.#body.route;
    const isShort = (this.#announced ?? Number.POSITIVE_INFINITY) <= Math.min(bodyBytes, memoryBytes);
    if (this.hasBody && isShort && this.#spool === undefined) await this.#fill(() => {});
  }

  /**
   * What is sent on; nothing for a request without a body. Once.
   *
   * @throws AmeshError `payload_too_large`
   */
  takeBody(): ForwardedBody | undefined {
    if (!this.hasBody) return undefined;
    const spool = this.#spool;
    if (spool !== undefined) return { length: spool.length, open: () => this.#take(spool.open()) };
    this.#refuseTooLong();
    return { length: this.#announced, open: () => this.#take(this.#live()) };
  }

  /** Lets go of what the body took, wherever its way ended. */
  release(): void {
    this.#released = true;
    this.#taken?.destroy();
    this.#spool?.release();
  }

  #take(body: Readable): Readable {
    this.#taken = body;
    return body;
  }

  #live(): Readable {
    this.#invite();
    const { bodyBytes, bodyTimeoutMs, idleTimeoutMs } = this.#body.route;
    const limits = { maxBytes: bodyBytes, totalMs: bodyTimeoutMs, idleMs: idleTimeoutMs };
    return new LiveBody(this.#exchange.request, limits);
  }

  #refuseTooLong(): void {
    const { bodyBytes } = this.#body.route;
    if ((this.#announced ?? 0) > bodyBytes) throw tooLarge(bodyBytes);
  }

  /** The head was found good: the caller may go on. */
  #invite(): void {
    if (this.#body.expectsContinue) this.#exchange.response.writeContinue();
  }

  async #read(): Promise<Hashes> {
    const algorithms = digestAlgorithms(this.headers("content-digest").join());
    const hashes = algorithms.map((algorithm) => [algorithm, createHash(algorithm)] as const);
    const see = (chunk: Buffer) => {
      for (const [, hash] of hashes) hash.update(chunk);
    };
    if (this.hasBody) await this.#fill(see);
    return new Map(hashes.map(([algorithm, hash]) => [algorithm, hash.digest("hex")]));
  }

  /** @param see shown each piece */
  async #fill(see: (chunk: Buffer) => void): Promise<void> {
    this.#refuseTooLong();
    this.#invite();
    this.#spool = new Spool(this.#body.room, this.#body.route.memoryBytes);
    await this.#keep(this.#spool, see);
  }

  #keep(spool: Spool, see: (chunk: Buffer) => void): Promise<void> {
    const { request } = this.#exchange;
    const { bodyBytes, bodyTimeoutMs } = this.#body.route;
    return new Promise((resolve, reject) => {
      const finish = (error?: unknown) => {
        clearTimeout(timer);
        request.off("data", take).off("end", end).off("close", cutOff);
        if (error === undefined) return resolve();
        request.pause();
        spool.release();
        reject(error);
      };
      const fail = (error: unknown) => finish(error);
      const take = (chunk: Buffer) => {
        if (spool.length + chunk.length > bodyBytes) return finish(tooLarge(bodyBytes));
        try {
          see(chunk);
          const written = spool.write(chunk);
          if (written === undefined) return;
          request.pause();
          written.then(() => request.resume(), fail);
        } catch (error) {
          finish(error);
        }
      };
      const end = () => finish();
      const cutOff = () => finish(new AmeshError("body_incomplete"));
      const timer = setTimeout(() => finish(new AmeshError("body_timeout")), bodyTimeoutMs);
      if (request.destroyed || this.#released) cutOff();
      else request.on("data", take).on("end", end).on("close", cutOff);
    });
  }
}

const tooLarge = (bytes: number) =>
  new AmeshError("payload_too_large", `The body has more than ${bytes} bytes, which is the route's limit.`);
