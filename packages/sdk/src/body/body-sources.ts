import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { AmeshError, type BodyHashAlgorithm, type BodyLimits } from "@authmesh/core";
import { tooLarge } from "./too-large.js";

/** A request as body parsers leave it behind. */
export interface ParsedRequest extends IncomingMessage {
  body?: unknown;
  rawBody?: unknown;
  /** Set by body-parser 1 and read by it: the body is taken care of. */
  _body?: boolean;
}

/**
 * Where the raw body can be had from when it was not seen on the wire, in the order in which they are trusted
 * (docs/protocol.md, section 2, "Body"). Each gives the bytes, or nothing when it does not apply.
 */
const sources: readonly ((request: ParsedRequest, limits: BodyLimits) => BodySource)[] = [
  (request) =>
    wasRead(request) && Buffer.isBuffer(request.rawBody) && fits(request, request.rawBody)
      ? request.rawBody
      : undefined,
  (request) => (wasRead(request) && Buffer.isBuffer(request.body) ? request.body : undefined),
  (request, limits) => (request.readableDidRead ? undefined : readStream(request, limits)),
  (request) => (wasRead(request) && typeof request.body === "string" ? Buffer.from(request.body) : undefined),
  (request) => (wasRead(request) && isJson(request) ? reserialize(request.body) : undefined),
];

type BodySource = Buffer | Promise<Buffer> | undefined;

/**
 * The raw body of a request that was not seen on the wire.
 *
 * @throws AmeshError `body_parser_ordering_error`, `payload_too_large`, `body_timeout`, `body_incomplete`
 */
export async function findBody(request: ParsedRequest, limits: BodyLimits): Promise<Buffer> {
  for (const source of sources) {
    const body = await source(request, limits);
    if (body === undefined) continue;
    if (body.length > limits.maxBytes) throw tooLarge(limits.maxBytes);
    return body;
  }
  throw new AmeshError("body_parser_ordering_error");
}

export const hashOf = (algorithm: BodyHashAlgorithm, bytes: Uint8Array): string =>
  hash(algorithm, bytes, "hex");

export const jsonType = /^application\/(?:[a-z0-9.+-]+\+)?json\b/i;

const isJson = (request: ParsedRequest): boolean => jsonType.test(request.headers["content-type"] ?? "");

const wasRead = (request: ParsedRequest): boolean => request.readableEnded;

function fits(request: ParsedRequest, body: Buffer): boolean {
  const length = request.headers["content-length"];
  return length === undefined || Number(length) === body.length;
}

function readStream(request: ParsedRequest, { maxBytes, timeoutMs }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (error?: AmeshError) => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else {
        request.pause();
        reject(error);
      }
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > maxBytes) finish(tooLarge(maxBytes));
    };
    const onEnd = () => finish();
    const onClose = () => finish(new AmeshError("body_incomplete"));
    const timer = setTimeout(() => finish(new AmeshError("body_timeout")), timeoutMs);
    if (request.destroyed) onClose();
    else request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/**
 * The text that a JSON body had if the caller wrote it as JSON.stringify does. Only for values that have one
 * spelling; a body written otherwise fails at the signature.
 */
function reserialize(body: unknown): Buffer | undefined {
  return body !== undefined && isPlainJson(body) ? Buffer.from(JSON.stringify(body)) : undefined;
}

function isPlainJson(body: unknown): boolean {
  const pending = [body];
  while (pending.length > 0) {
    const value = pending.pop();
    if (value === null || typeof value === "string" || typeof value === "boolean") continue;
    if (typeof value === "number" && Number.isFinite(value) && !Object.is(value, -0)) continue;
    const dense = Array.isArray(value) && Object.keys(value).length === value.length;
    if (!dense && !isPlainObject(value)) return false;
    for (const member of Object.values(value)) pending.push(member);
  }
  return true;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !("toJSON" in value);
}
