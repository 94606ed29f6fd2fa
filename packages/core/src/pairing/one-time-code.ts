import { crypto } from "#crypto";
import { fromBase64Url } from "../encoding.js";
import { AmeshError } from "../errors.js";
import type { Random } from "../key-agreement.js";

const firstCode = 100_000;
const codeCount = 900_000;
// The largest multiple of codeCount in 32 bits: what lies above would make the low codes likelier.
const ceiling = 2 ** 32 - (2 ** 32 % codeCount);

/**
 * Draws a pairing code, `"100000"` to `"999999"`, each equally likely (docs/protocol.md, section 6).
 *
 * @param random returns so many fresh random bytes; default: the system's CSPRNG
 */
export function drawPairingCode(random: Random = (length) => crypto.randomBytes(length)): string {
  for (;;) {
    const bytes = random(4);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (value < ceiling) return String(firstCode + (value % codeCount));
  }
}

/** Whether `text` is a pairing code: six digits, the first not 0. */
export const isPairingCode = (text: string): boolean => /^[1-9][0-9]{5}$/.test(text);

/**
 * Reads a pairing code as a person types it: white space around and inside is dropped.
 *
 * @throws AmeshError `pairing_code_malformed`
 */
export function parsePairingCode(text: string): string {
  const code = text.length <= 32 ? text.replace(/\s/g, "") : "";
  // The text is not repeated: it may be a code that is still good elsewhere.
  if (!isPairingCode(code)) throw new AmeshError("pairing_code_malformed");
  return code;
}

/** Whether `text` is a code a relay takes: a pairing code, or 16 bytes in base64url (22 characters). */
export const isOneTimeCode = (text: string): boolean =>
  isPairingCode(text) || (text.length === 22 && fromBase64Url(text) !== undefined);
