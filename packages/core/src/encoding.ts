/** The encodings of the wire, strict in what they read: one text for one value, nothing skipped, nothing repaired. */

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const standardValues = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) standardValues[base64Alphabet.charCodeAt(i)] = i;
const urlValues = Int8Array.from(standardValues);
urlValues[0x2b] = -1;
urlValues[0x2f] = -1;
urlValues[0x2d] = 62; // "-"
urlValues[0x5f] = 63; // "_"

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** `undefined` for bytes that are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Standard base64 with padding. */
export const toBase64 = (bytes: Uint8Array): string => encode(bytes, "+", "/", true);

/** Base64url without padding (RFC 7515, appendix C). */
export const toBase64Url = (bytes: Uint8Array): string => encode(bytes, "-", "_", false);

/** Reads padded standard base64 in its canonical form; anything else is `undefined`. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  return decode(text.slice(0, text.length - paddingOf(text)), standardValues);
}

/** Whether `fromBase64` would read it, at a fraction of the price: for who hands it on as it came. */
export const isBase64 = (text: string): boolean =>
  // Only its end can be what is not canonical.
  /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 && fromBase64(text.slice(-4)) !== undefined;

/** How many bytes canonical base64 stands for. */
export const base64Length = (text: string): number => (text.length / 4) * 3 - paddingOf(text);

/** Reads unpadded base64url in its canonical form; anything else is `undefined`. */
export const fromBase64Url = (text: string): Uint8Array | undefined => decode(text, urlValues);

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const paddingOf = (text: string): number => (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);

function encode(bytes: Uint8Array, plus: string, slash: string, pad: boolean): string {
  const alphabet = base64Alphabet.slice(0, 62) + plus + slash;
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += alphabet.charAt(group >> 18) + alphabet.charAt((group >> 12) & 63);
    if (left > 1) text += alphabet.charAt((group >> 6) & 63);
    if (left > 2) text += alphabet.charAt(group & 63);
    if (pad && left < 3) text += left === 1 ? "==" : "=";
  }
  return text;
}

function decode(text: string, values: Int8Array): Uint8Array | undefined {
  const remainder = text.length % 4;
  if (remainder === 1) return undefined;
  const bytes = new Uint8Array((text.length * 3) >> 2);
  let buffer = 0;
  let bits = 0;
  let offset = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const value = unit < 128 ? (values[unit] as number) : -1;
    if (value < 0) return undefined;
    buffer = ((buffer << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[offset++] = (buffer >> bits) & 0xff;
    }
  }
  // Bits that encode nothing must be zero, or two texts would stand for one value.
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
