import { crypto } from "#crypto";
import type { VerifyingKey } from "./crypto/provider.js";
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from "./encoding.js";
import { AmeshError, quoteForeign } from "./errors.js";

/**
 * `"am_"` and the first 16 characters of the base64url SHA-256 of the compressed public key
 * (docs/protocol.md, section 1). An id is always computed from key bytes, never taken from text.
 */
export function deviceIdOf(publicKey: Uint8Array): string {
  return `am_${toBase64Url(crypto.sha256(publicKey)).slice(0, 16)}`;
}

/**
 * A P-256 public key: 33 bytes on the wire, imported once for many verifications.
 *
 * The bytes are copied in; the point is checked to lie on the curve when the key is made.
 */
export class PublicKey {
  readonly bytes: Uint8Array;
  /** The compressed point in standard base64, 44 characters: the `id` of the AuthMesh header. */
  readonly base64: string;
  readonly deviceId: string;
  readonly #key: VerifyingKey;

  private constructor(bytes: Uint8Array, key: VerifyingKey) {
    this.bytes = bytes;
    this.base64 = toBase64(bytes);
    this.deviceId = deviceIdOf(bytes);
    this.#key = key;
  }

  /** @throws AmeshError `invalid_public_key` for anything but a compressed point of the curve. */
  static fromBytes(compressed: Uint8Array): PublicKey {
    const bytes = Uint8Array.from(compressed);
    if (bytes.length !== 33 || (bytes[0] !== 2 && bytes[0] !== 3)) {
      throw new AmeshError("invalid_public_key", "A public key is a compressed P-256 point of 33 bytes.");
    }
    try {
      return new PublicKey(bytes, crypto.importPublicKey(bytes));
    } catch (cause) {
      throw new AmeshError("invalid_public_key", "The point is not on the curve P-256.", { cause });
    }
  }

  /** Reads 44 characters of base64, or of base64url. @throws AmeshError `invalid_public_key` */
  static fromBase64(text: string): PublicKey {
    const bytes = text.length === 44 ? (fromBase64(text) ?? fromBase64Url(text)) : undefined;
    if (bytes === undefined) {
      throw new AmeshError("invalid_public_key", `${quoteForeign(text)} is not base64 of 33 bytes.`);
    }
    return PublicKey.fromBytes(bytes);
  }

  /** What `fromBase64` reads; undefined for any other text. */
  static tryBase64(text: string): PublicKey | undefined {
    try {
      return PublicKey.fromBase64(text);
    } catch (error) {
      if (error instanceof AmeshError) return undefined;
      throw error;
    }
  }

  /** Whether `signature` (raw r‖s, 64 bytes) is this key's over `message`. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return this.#key.verify(message, signature);
  }
}
