import { crypto } from "#crypto";
import { toBase64, toHex } from "../encoding.js";
import type { BodyHashAlgorithm } from "../request.js";
import { readDictionary, unreadable } from "./structured-field.js";

/** A digest as Content-Digest states it (RFC 9530). */
export interface BodyDigest {
  readonly algorithm: BodyHashAlgorithm;
  /** Lower-case hex. */
  readonly hex: string;
}

const longest = 1024;
/** Of the algorithms that RFC 9530 registers, those that are not broken, by their names there. */
const algorithms: readonly (readonly [name: string, algorithm: BodyHashAlgorithm, length: number])[] = [
  ["sha-256", "sha256", 32],
  ["sha-512", "sha512", 64],
];

/**
 * Reads Content-Digest. Digests of other algorithms are passed over; what comes back is never empty.
 *
 * @throws AmeshError `malformed_header`
 */
export function readContentDigest(lines: readonly string[]): readonly BodyDigest[] {
  const digests = readDictionary("Content-Digest", lines, longest);
  const known = algorithms.flatMap(([name, algorithm, length]) => {
    if (!digests.has(name)) return [];
    const [bytes] = digests.get(name) ?? [];
    if (!(bytes instanceof ArrayBuffer) || bytes.byteLength !== length)
      throw unreadable(`${name} in Content-Digest is not ${length} bytes`);
    return [{ algorithm, hex: toHex(new Uint8Array(bytes)) }];
  });
  if (known.length === 0) throw unreadable("Content-Digest has neither sha-256 nor sha-512");
  return known;
}

/** The Content-Digest of a body. */
export const contentDigest = (body: Uint8Array | string): string =>
  `sha-256=:${toBase64(crypto.sha256(body))}:`;
