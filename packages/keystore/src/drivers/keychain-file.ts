import { randomBytes } from "node:crypto";
import { AmeshError, PrivateKey, type PublicKey, toBase64Url, utf8 } from "@authmesh/core";
import { Misfit, oneOf, type Reader, readDocument, record } from "@authmesh/core/records";
import { base64Url, base64UrlBytes, publicKey } from "../internal/members.js";
import type { SoftwareKey } from "../key-store.js";
import { namedPublicKey } from "../sealed-key.js";
import { maxRemembered } from "./remembered-file.js";

/** What is beside the keychain: whose key it is, and where in the keychain (docs/protocol.md, section 11). */
export interface KeychainFile {
  readonly publicKey: PublicKey;
  /** The accounts of the two items, which no other key has. */
  readonly keyAccount: string;
  readonly memoryAccount: string;
}

const kind = { name: "file of the keychain's key", damaged: "key_store_damaged" } as const;
const fileShape = record({ version: oneOf(1), publicKey, item: base64Url(22) });

/** @throws AmeshError `key_store_damaged` */
export function parseKeychainFile(bytes: Uint8Array): KeychainFile {
  const file = readDocument(bytes, fileShape, kind.damaged, `The ${kind.name}`);
  return keychainFile(namedPublicKey(file, kind), file.item);
}

/** The file of a new key, and what it says. */
export function newKeychainFile(key: PublicKey): KeychainFile & { readonly content: string } {
  const item = toBase64Url(randomBytes(16));
  const content = `${JSON.stringify({ version: 1, publicKey: key.base64, item }, null, 2)}\n`;
  return { ...keychainFile(key, item), content };
}

/** Named after the device for the people who look at their keychain. */
function keychainFile(key: PublicKey, item: string): KeychainFile {
  const keyAccount = `${key.deviceId}.${item}`;
  return { publicKey: key, keyAccount, memoryAccount: `${keyAccount}.remembered` };
}

const privateKey: Reader<PrivateKey> = (value, at) => {
  const bytes = base64UrlBytes(32, 32)(value, at);
  try {
    return PrivateKey.fromBytes(bytes);
  } catch {
    throw new Misfit(`${at} is no private key`);
  } finally {
    bytes.fill(0);
  }
};

const keyShape = record({ version: oneOf(1), privateKey, sealingSecret: base64UrlBytes(32, 32) });

/**
 * The item that holds the key.
 *
 * @param named the public key of the file
 * @throws AmeshError `key_store_damaged`, `key_mismatch`
 */
export function readKeyItem(bytes: Uint8Array, named: PublicKey): SoftwareKey {
  const { privateKey, sealingSecret } = readDocument(
    bytes,
    keyShape,
    "key_store_damaged",
    "The keychain's item of the key",
  );
  if (privateKey.publicKey.base64 === named.base64) return { privateKey, sealingSecret };
  throw new AmeshError(
    "key_mismatch",
    `The keychain's item holds the key of ${privateKey.publicKey.deviceId}.`,
  );
}

export function writeKeyItem({ privateKey, sealingSecret }: SoftwareKey): Uint8Array {
  const scalar = privateKey.export();
  const item = { version: 1, privateKey: toBase64Url(scalar), sealingSecret: toBase64Url(sealingSecret) };
  scalar.fill(0);
  return utf8(JSON.stringify(item));
}

const memoryShape = record({ version: oneOf(1), value: base64UrlBytes(0, maxRemembered) });

/** @throws AmeshError `key_store_damaged` */
export function readMemoryItem(bytes: Uint8Array): Uint8Array {
  return readDocument(bytes, memoryShape, "key_store_damaged", "What the keychain remembers").value;
}

export const writeMemoryItem = (value: Uint8Array): Uint8Array =>
  utf8(JSON.stringify({ version: 1, value: toBase64Url(value) }));
