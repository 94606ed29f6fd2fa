import {
  AmeshError,
  type BodyHashAlgorithm,
  type BodyLimits,
  concatBytes,
  createRunningHash,
  type IncomingRequest,
  toHex,
} from "@authmesh/core";
import { machine } from "#machine";
import { digestAlgorithms } from "./digest-algorithms.js";
import { tooLarge } from "./too-large.js";

/** Not in a WeakMap: what stands there outlives the young generation, with the request it belongs to. */
const viewKey = Symbol("amesh request");

/** The one view of a request, however many verifiers it passes. */
export function fetchRequest(request: Request & { [viewKey]?: FetchRequest }): FetchRequest {
  if (!request[viewKey]?.isOf(request)) request[viewKey] = new FetchRequest(request);
  return request[viewKey] as FetchRequest;
}

const schemeAndAuthority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/** A request of the Fetch standard as the verifier reads it (docs/protocol.md, section 2, "Target" and "Body"). */
class FetchRequest implements IncomingRequest {
  readonly method: string;
  readonly target: string;
  readonly hasBody: boolean;
  recordedNonce?: string;
  readonly #request: Request;
  #body: Promise<HashedBody> | undefined;

  constructor(request: Request) {
    this.#request = request;
    this.method = request.method;
    // As the router finds it. Not parsed again: some servers leave "%2e%2e" to be read in two ways.
    this.target = request.url.replace(schemeAndAuthority, "");
    this.hasBody = request.body !== null;
  }

  /** Not of a copy that took the view along. */
  isOf(request: Request): boolean {
    return this.#request === request;
  }

  headers(name: string): readonly string[] {
    const value = this.#request.headers.get(name);
    if (name !== "host") return value === null ? [] : [value];
    // A comma never stands in a host: it joins two headers. Without any, as over HTTP/2, the URL has it.
    return value === null ? [new URL(this.#request.url).host] : value.split(",");
  }

  async bodyHash(limits: BodyLimits, algorithm: BodyHashAlgorithm = "sha256"): Promise<string> {
    this.#body ??= hashBody(this.#request, limits);
    const { hashes, length } = await this.#body;
    // An earlier verifier may have had a higher limit.
    if (length > limits.maxBytes) throw tooLarge(limits.maxBytes);
    return hashes.get(algorithm) ?? "";
  }
}

interface HashedBody {
  /** Lower-case hex. */
  readonly hashes: ReadonlyMap<BodyHashAlgorithm, string>;
  readonly length: number;
}

/** Reads a copy: the request itself goes to its handler as it came, body unread. */
async function hashBody(request: Request, { maxBytes, timeoutMs }: BodyLimits): Promise<HashedBody> {
  const encoding = (request.headers.get("content-encoding") ?? "").trim().toLowerCase();
  const kept: Uint8Array[] = [];
  const algorithms = digestAlgorithms(request.headers.get("content-digest"));
  const hashes = algorithms.map((algorithm) => [algorithm, createRunningHash(algorithm)] as const);
  let length = 0;
  const reader = copyOf(request);
  const overdue = deadline(timeoutMs);
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read().catch(cutOff), overdue.passed]);
      if (done) break;
      length += value.length;
      if (length > maxBytes) throw tooLarge(maxBytes);
      for (const [, hash] of hashes) hash.update(value);
      if (encoding !== "") kept.push(value);
    }
  } finally {
    overdue.clear();
    // Not cancelled: some servers then cut the connection before the refusal is sent.
    reader.releaseLock();
  }
  if (encoding !== "") await machine.checkDecodedSize(concatBytes(...kept), encoding, maxBytes);
  return { hashes: new Map(hashes.map(([algorithm, hash]) => [algorithm, toHex(hash.digest())])), length };
}

function copyOf(request: Request): ReadableStreamDefaultReader<Uint8Array> {
  try {
    return (request.clone().body as ReadableStream<Uint8Array>).getReader();
  } catch (cause) {
    throw new AmeshError("body_parser_ordering_error", undefined, { cause });
  }
}

function cutOff(cause: unknown): never {
  throw new AmeshError("body_incomplete", undefined, { cause });
}

function deadline(timeoutMs: number): { readonly passed: Promise<never>; clear(): void } {
  let timer: ReturnType<typeof setTimeout>;
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AmeshError("body_timeout")), timeoutMs);
  });
  return { passed, clear: () => clearTimeout(timer) };
}
