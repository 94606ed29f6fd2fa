import { crypto } from "#crypto";
import type { SigningKey } from "./crypto/provider.js";
import { PublicKey } from "./public-key.js";
import type { Signable } from "./signable.js";
import { toLowS } from "./signature.js";

/**
 * A P-256 private key held in memory, imported once for many signatures. It signs only what `signable.ts` built
 * (docs/protocol.md, section 1).
 */
export class PrivateKey {
  readonly publicKey: PublicKey;
  readonly #bytes: Uint8Array;
  readonly #key: SigningKey;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#key = crypto.importPrivateKey(bytes);
    this.publicKey = PublicKey.fromBytes(crypto.publicKeyOf(bytes));
  }

  static generate(): PrivateKey {
    return new PrivateKey(crypto.generatePrivateKey());
  }

  /** @throws TypeError unless these are 32 bytes of a private key of P-256. They are copied. */
  static fromBytes(privateKey: Uint8Array): PrivateKey {
    if (privateKey.length !== 32) throw new TypeError("A P-256 private key has 32 bytes.");
    try {
      return new PrivateKey(Uint8Array.from(privateKey));
    } catch (cause) {
      throw new TypeError("These 32 bytes are not a P-256 private key.", { cause });
    }
  }

  /** Raw r‖s, 64 bytes, low-S. */
  sign(message: Signable): Uint8Array {
    return toLowS(this.#key.sign(message));
  }

  /** A copy of the 32 bytes, for a store that encrypts them. Wipe it after use. */
  export(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
