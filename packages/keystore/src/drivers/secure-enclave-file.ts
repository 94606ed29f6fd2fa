import { toBase64Url } from "@authmesh/core";
import { oneOf, type RecordOf, readDocument, record } from "@authmesh/core/records";
import { base64UrlBytes } from "../internal/members.js";
import { maxWrappedKeyLength, point } from "../secure-enclave/messages.js";

const wrappedKey = base64UrlBytes(1, maxWrappedKeyLength);

const shape = {
  version: oneOf(1),
  publicKey: point,
  signingKey: wrappedKey,
  agreementKey: wrappedKey,
  /** Public half of a key pair whose private half was forgotten. */
  peer: point,
  check: base64UrlBytes(32, 32),
};

/** Two keys that only one Enclave can use, and what the sealing secret is made of (docs/protocol.md, section 11). */
export type SecureEnclaveFile = RecordOf<typeof shape>;

/** @throws AmeshError `key_store_damaged` */
export function parseSecureEnclaveFile(bytes: Uint8Array): SecureEnclaveFile {
  return readDocument(bytes, record(shape), "key_store_damaged", "The file of the Secure Enclave's key");
}

export function writeSecureEnclaveFile(file: Omit<SecureEnclaveFile, "version">): string {
  const { publicKey, signingKey, agreementKey, peer, check } = file;
  const members = {
    version: 1,
    publicKey: publicKey.base64,
    signingKey: toBase64Url(signingKey),
    agreementKey: toBase64Url(agreementKey),
    peer: peer.base64,
    check: toBase64Url(check),
  };
  return `${JSON.stringify(members, null, 2)}\n`;
}
