import { crypto } from "#crypto";
import type { SigningKey } from "./crypto/provider.js";
import { PublicKey } from "./public-key.js";
import type { SessionSignable } from "./signable.js";
import { toLowS } from "./signature.js";

/**
 * A P-256 key that signs requests in place of a device's key, for minutes (docs/protocol.md, section 4). It lives in
 * memory alone and cannot be exported.
 */
export class SessionKey {
  readonly publicKey: PublicKey;
  #key: SigningKey | undefined;

  private constructor(bytes: Uint8Array) {
    this.#key = crypto.importPrivateKey(bytes);
    this.publicKey = PublicKey.fromBytes(crypto.publicKeyOf(bytes));
  }

  static generate(): SessionKey {
    const bytes = crypto.generatePrivateKey();
    try {
      return new SessionKey(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** Raw r‖s, 64 bytes, low-S. @throws TypeError after `forget` */
  sign(message: SessionSignable): Uint8Array {
    if (this.#key === undefined) throw new TypeError("This session key was forgotten.");
    return toLowS(this.#key.sign(message));
  }

  /** Lets go of the key, whoever still holds this object. OpenSSL clears the memory that it frees. */
  forget(): void {
    this.#key = undefined;
  }
}
