import { createReadStream } from "node:fs";
import { AmeshError, quoteForeign } from "@authmesh/core";

/**
 * Reads a file, or standard input for "-".
 *
 * @param maxBytes what is longer is refused
 * @param shown what errors call it
 * @throws AmeshError `storage_failed`, `invalid_option`
 */
export async function readSource(
  source: string,
  maxBytes: number,
  shown = quoteForeign(source),
): Promise<Buffer> {
  const stream = source === "-" ? process.stdin : createReadStream(source);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      length += (chunk as Buffer).length;
      if (length > maxBytes) break;
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new AmeshError("storage_failed", `${shown} cannot be read: ${reason}.`, {
      fix: "Check the path, and that you may read the file.",
      cause,
    });
  }
  if (length > maxBytes) throw new AmeshError("invalid_option", `${shown} is longer than ${maxBytes} bytes.`);
  return Buffer.concat(chunks);
}
