import { AmeshError } from "@authmesh/core";
import { unlessAborted } from "./unless-aborted.js";

/** A body that can be hashed and sent: all of it at hand. */
export interface BufferedBody {
  readonly content: Uint8Array<ArrayBuffer> | string;
  /** What fetch would set, when the caller sets no Content-Type. */
  readonly contentType?: string;
}

/**
 * Buffers a body as fetch would send it.
 *
 * @param maxBytes how much of a stream to buffer
 * @param signal ends the wait for a stream
 * @throws AmeshError `body_too_large_to_sign`; what `signal` gives as its reason
 */
export async function bufferBody(
  body: unknown,
  maxBytes: number,
  signal?: AbortSignal | null,
): Promise<BufferedBody | undefined> {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string") return { content: body, contentType: "text/plain;charset=UTF-8" };
  if (body instanceof URLSearchParams) {
    return { content: body.toString(), contentType: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer)
    return { content: copyOf(new Uint8Array(body)) };
  if (ArrayBuffer.isView(body))
    return { content: copyOf(new Uint8Array(body.buffer, body.byteOffset, body.byteLength)) };
  if (body instanceof Blob || body instanceof FormData) {
    const response = new Response(body);
    const contentType = response.headers.get("content-type");
    const content = new Uint8Array(await response.arrayBuffer());
    return contentType === null ? { content } : { content, contentType };
  }
  if (typeof body === "object" && Symbol.asyncIterator in body) {
    return { content: await collect(body as AsyncIterable<unknown>, maxBytes, signal) };
  }
  return { content: String(body), contentType: "text/plain;charset=UTF-8" };
}

/** What is signed must be what is sent, whatever the caller does to its buffer in between. */
const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);

async function collect(
  stream: AsyncIterable<unknown>,
  maxBytes: number,
  signal: AbortSignal | null | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of untilAborted(stream, signal)) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (!(bytes instanceof Uint8Array)) throw new TypeError("A body stream must yield bytes or text.");
    length += bytes.length;
    if (length > maxBytes) {
      throw new AmeshError(
        "body_too_large_to_sign",
        `The stream has more than ${maxBytes} bytes, which is the limit.`,
      );
    }
    chunks.push(bytes);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}

/** The stream, left at once when the signal says so, even if it never yields again. */
async function* untilAborted(
  stream: AsyncIterable<unknown>,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<unknown> {
  signal?.throwIfAborted();
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), signal);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not waited for: a stream that hangs would hang here too.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
