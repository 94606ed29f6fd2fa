import { toBase64Url, utf8 } from "../encoding.js";
import { sha256 } from "../hash.js";
import type { Random } from "../key-agreement.js";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A code by which an account is claimed again: 128 random bits, in base32 (RFC 4648, 6), in groups of four. */
export function newRecoveryCode(random: Random): string {
  let bits = 0n;
  for (const byte of random(16)) bits = (bits << 8n) | BigInt(byte);
  // 26 letters hold 130 bits: the last one's lowest two are zero.
  bits <<= 2n;
  const letters = Array.from({ length: 26 }, (_, i) => alphabet[Number((bits >> BigInt(125 - 5 * i)) & 31n)]);
  return (letters.join("").match(/.{1,4}/g) ?? []).join("-");
}

/** A code as a person typed it, in the one form that is hashed; undefined for what is none. */
export function readRecoveryCode(text: string): string | undefined {
  const letters = text.replace(/[\s-]/g, "");
  if (!/^[A-Z2-7]{25}[AEIMQUY4]$/i.test(letters)) return undefined;
  return (letters.toUpperCase().match(/.{1,4}/g) ?? []).join("-");
}

/** What the authority keeps of a code. It has 128 random bits, so that a bare digest tells nobody anything. */
export const recoveryDigest = (code: string): string => toBase64Url(sha256(utf8(code)));
