import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { BodyHashAlgorithm, BodyLimits, IncomingRequest } from "@authmesh/core";
import { findBody, hashOf, jsonType, type ParsedRequest } from "./body-sources.js";
import { decodeBody } from "./decoded-body.js";
import { tooLarge } from "./too-large.js";
import { tapOf } from "./wire-tap.js";

interface ReadBody {
  readonly length: number;
  /** Lower-case hex. */
  readonly hash: (algorithm: BodyHashAlgorithm) => string;
}

/** Not in a WeakMap: what stands there outlives the young generation, with the request it belongs to. */
const viewKey = Symbol("amesh request");

/** The one view of a request, however many verifiers it passes. */
export function nodeRequest(message: IncomingMessage | Http2ServerRequest): NodeRequest {
  // Where the two differ, `NodeRequest` asks which it is.
  const request = message as ParsedRequest & { [viewKey]?: NodeRequest };
  if (!request[viewKey]?.isOf(request)) request[viewKey] = new NodeRequest(request);
  return request[viewKey] as NodeRequest;
}

/** A request of `node:http`, `node:http2`, Connect, Express or Fastify as the verifier reads it. */
class NodeRequest implements IncomingRequest {
  readonly method: string;
  readonly target: string;
  readonly hasBody: boolean;
  recordedNonce?: string;
  readonly #request: ParsedRequest;
  #body: ReadBody | undefined;

  constructor(request: ParsedRequest & { originalUrl?: string }) {
    this.#request = request;
    this.method = request.method ?? "";
    // A router that mounts applications strips the prefix from `url`; the caller signed the whole.
    this.target = request.originalUrl ?? request.url ?? "";
    this.hasBody = isHttp2(request) ? !request.stream.endAfterHeaders : this.#announcesBody();
  }

  /** Not of a copy that took the view along. */
  isOf(request: ParsedRequest): boolean {
    return this.#request === request;
  }

  headers(name: string): readonly string[] {
    return name === "host" && isHttp2(this.#request) ? this.#hosts() : this.#fields(name);
  }

  /** HTTP/2 has `:authority`; a `host` beside it may only say the same (RFC 9113, section 8.3.1). */
  #hosts(): readonly string[] {
    const names = [...this.#fields(":authority"), ...this.#fields("host")];
    return names.length === 2 && names[0] === names[1] ? names.slice(1) : names;
  }

  #announcesBody(): boolean {
    const [length] = this.#fields("content-length");
    return this.#fields("transfer-encoding").length > 0 || (length !== undefined && !/^0+$/.test(length));
  }

  /** The parser's own headers: middleware may have changed the others. */
  #fields(name: string): readonly string[] {
    const { rawHeaders } = this.#request;
    const values: string[] = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const candidate = rawHeaders[i] as string;
      if (candidate.length === name.length && candidate.toLowerCase() === name)
        values.push(rawHeaders[i + 1] as string);
    }
    return values;
  }

  async bodyHash(limits: BodyLimits, algorithm: BodyHashAlgorithm = "sha256"): Promise<string> {
    this.#body ??= await this.#readBody(limits);
    // An earlier verifier may have had a higher limit.
    if (this.#body.length > limits.maxBytes) throw tooLarge(limits.maxBytes);
    return this.#body.hash(algorithm);
  }

  async #readBody(limits: BodyLimits): Promise<ReadBody> {
    const request = this.#request;
    const tap = tapOf(request);
    if (tap !== undefined) {
      const digests = await tap.digests(limits);
      if (tap.unreadBody !== undefined) await provideBody(request, tap.unreadBody, limits);
      return { hash: (algorithm) => digests.get(algorithm) ?? "", length: tap.length };
    }
    const readHere = !request.readableDidRead;
    const body = await findBody(request, limits);
    if (readHere) {
      await provideBody(request, body, limits);
      request._body = true;
    }
    return { hash: (algorithm) => hashOf(algorithm, body), length: body.length };
  }
}

const isHttp2 = (request: IncomingMessage | Http2ServerRequest): request is Http2ServerRequest =>
  request.httpVersionMajor === 2;

const parsers: readonly { readonly types: RegExp; readonly parse: (body: Buffer) => unknown }[] = [
  { types: jsonType, parse: parseJson },
  { types: /^text\//i, parse: (body) => body.toString("utf8") },
  { types: /^/, parse: (body) => body },
];

/** The bytes of a body. An interface, so that the type of a framework's request can inherit it. */
export interface RawBody {
  /** The body as received, if there is one and no parser has taken it. */
  rawBody?: Buffer | undefined;
}

/** What a verified request has if it has a body. */
export interface ProvidedBody extends RawBody {
  /** What the body says: JSON parsed, text as a string, anything else as a Buffer; or what a parser made of it. */
  body?: unknown;
}

/**
 * Gives handlers that run without a body parser `rawBody` and `body`: JSON parsed, text as a string, anything else
 * as a Buffer. A parser that comes later finds the stream as it was and writes its own `body`.
 */
async function provideBody(request: ParsedRequest, raw: Buffer, limits: BodyLimits): Promise<void> {
  const encoding = (request.headers["content-encoding"] ?? "").trim().toLowerCase();
  const body = await decodeBody(raw, encoding, limits.maxBytes);
  request.rawBody ??= raw;
  if (request.body !== undefined) return;
  const type = request.headers["content-type"] ?? "";
  const { parse } = parsers.find(({ types }) => types.test(type)) as (typeof parsers)[number];
  let parsed: { readonly value: unknown } | undefined;
  Object.defineProperty(request, "body", {
    configurable: true,
    enumerable: true,
    get: () => {
      parsed ??= { value: parse(body) };
      return parsed.value;
    },
    set: (value: unknown) => {
      parsed = { value };
    },
  });
}

/** Undefined for text that is not JSON: whether that matters is the handler's to say. */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
