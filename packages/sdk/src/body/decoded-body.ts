import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { AmeshError } from "@authmesh/core";
import { tooLarge } from "./too-large.js";

const decoders = new Map([
  ["gzip", promisify(gunzip)],
  ["deflate", promisify(inflate)],
  ["br", promisify(brotliDecompress)],
]);

/** The encodings that the option `contentEncodings` may name. */
export const knownContentEncodings: ReadonlySet<string> = new Set(decoders.keys());

/**
 * The body as the application will see it, held to the same limit as the bytes of the wire.
 *
 * @throws AmeshError `payload_too_large`, `unsupported_content_encoding`
 */
export async function decodeBody(body: Buffer, contentEncoding: string, maxBytes: number): Promise<Buffer> {
  const decoder = decoders.get(contentEncoding);
  if (decoder === undefined) return body;
  try {
    return await decoder(body, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes);
    throw new AmeshError("unsupported_content_encoding", `The body is not valid ${contentEncoding}.`, {
      cause,
    });
  }
}
