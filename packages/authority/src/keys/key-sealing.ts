import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { AmeshError, concatBytes, fromBase64Url, toBase64Url, utf8 } from "@authmesh/core";

const algorithm = "chacha20-poly1305";
const nonceLength = 12;
const tagLength = 16;

/**
 * Keeps private keys unreadable for whoever reads the database (docs/protocol.md, section 8.9): ChaCha20-Poly1305
 * under a key that is not in there.
 */
export class KeySealing {
  /** Tells one sealing key from another, and nothing of it. */
  readonly fingerprint: string;
  readonly #secret: Uint8Array;
  readonly #key: Uint8Array;

  /** @param secret at least 32 bytes that nobody can guess; copied */
  constructor(secret: Uint8Array) {
    this.#secret = Uint8Array.from(secret);
    this.#key = this.derive("signing-keys");
    this.fingerprint = toBase64Url(this.derive("fingerprint").subarray(0, 16));
  }

  /** 32 bytes that all replicas have, for one purpose: "challenges". Those of one purpose tell nothing of another's. */
  derive(purpose: string): Uint8Array {
    const info = utf8(`amesh/authority/${purpose}/1`);
    return new Uint8Array(hkdfSync("sha256", this.#secret, new Uint8Array(), info, 32));
  }

  /** @param name what the secret belongs to; it opens under no other name */
  seal(name: string, secret: Uint8Array): string {
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv(algorithm, this.#key, nonce, { authTagLength: tagLength });
    cipher.setAAD(utf8(name), { plaintextLength: secret.length });
    const sealed = concatBytes(cipher.update(secret), cipher.final());
    return toBase64Url(concatBytes(nonce, sealed, cipher.getAuthTag()));
  }

  /** Wipe it after use. @throws AmeshError `key_mismatch` */
  open(name: string, sealed: string): Uint8Array {
    const bytes = fromBase64Url(sealed) ?? new Uint8Array();
    try {
      const decipher = createDecipheriv(algorithm, this.#key, bytes.subarray(0, nonceLength), {
        authTagLength: tagLength,
      });
      const body = bytes.subarray(nonceLength, -tagLength);
      decipher.setAuthTag(bytes.subarray(-tagLength));
      decipher.setAAD(utf8(name), { plaintextLength: body.length });
      return concatBytes(decipher.update(body), decipher.final());
    } catch (cause) {
      throw new AmeshError(
        "key_mismatch",
        `The signing key ${name} does not open with this sealing secret.`,
        {
          fix: "Give every replica the secret that the keys were sealed with: AMESH_AUTHORITY_SECRET_FILE.",
          cause,
        },
      );
    }
  }
}
