import { type PublicKey, toBase64Url } from "@authmesh/core";
import { Misfit, oneOf, type Reader, readDocument, record } from "@authmesh/core/records";
import { base64UrlBytes } from "../internal/members.js";
import { maxAreaLength, type WrappedObject } from "../tpm/commands.js";
import { Malformed } from "../tpm/marshal.js";
import { checkSealedData, readSigningKey } from "../tpm/public-area.js";

/** What a TPM made and only that TPM can use: a signing key and a sealed secret (docs/protocol.md, section 11). */
export interface TpmFile {
  readonly publicKey: PublicKey;
  readonly key: WrappedObject;
  readonly secret: WrappedObject;
}

const area = base64UrlBytes(1, maxAreaLength);
const wrapped = record({ public: area, private: area });
const shape = record({ version: oneOf(1), key: wrapped, secret: wrapped });

/** @throws AmeshError `key_store_damaged` */
export function parseTpmFile(bytes: Uint8Array): TpmFile {
  const read: Reader<TpmFile> = (value, at) => {
    const { key, secret } = shape(value, at);
    try {
      checkSealedData(secret.public);
      return { publicKey: readSigningKey(key.public), key, secret };
    } catch (error) {
      if (error instanceof Malformed) throw new Misfit(`a public area: ${error.message}`);
      throw error;
    }
  };
  return readDocument(bytes, read, "key_store_damaged", "The file of the TPM's key");
}

export function writeTpmFile(key: WrappedObject, secret: WrappedObject): string {
  const file = { version: 1, key: encode(key), secret: encode(secret) };
  return `${JSON.stringify(file, null, 2)}\n`;
}

const encode = (object: WrappedObject) => ({
  public: toBase64Url(object.public),
  private: toBase64Url(object.private),
});
