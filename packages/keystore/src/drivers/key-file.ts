import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from "node:crypto";
import {
  AmeshError,
  canonicalJson,
  concatBytes,
  fromBase64Url,
  PrivateKey,
  PublicKey,
  toBase64Url,
  utf8,
} from "@authmesh/core";
import { base64Url, publicKey } from "../internal/members.js";
import { integer, oneOf, type RecordOf, readDocument, record } from "../internal/record.js";
import type { SoftwareKey } from "../key-store.js";

/** What deriving a key from a passphrase costs. */
export interface Argon2Cost {
  /** 19,456 (19 MiB) to 1,048,576 (1 GiB). */
  readonly memoryKiB: number;
  /** 1 to 10. */
  readonly passes: number;
  /** 1 to 4. */
  readonly lanes: number;
}

export const defaultCost: Argon2Cost = { memoryKiB: 64 * 1024, passes: 3, lanes: 1 };

// The bounds hold for what is written and for what is read: a file must not decide how long opening it takes.
const memoryKiB = integer(19 * 1024, 1024 * 1024);
const passes = integer(1, 10);
const lanes = integer(1, 4);

const shape = {
  version: oneOf(1),
  publicKey,
  kdf: record({ name: oneOf("argon2id"), memoryKiB, passes, lanes, salt: base64Url(22) }),
  cipher: record({ name: oneOf("aes-256-gcm"), nonce: base64Url(16) }),
  /** Private key ‖ sealing secret, encrypted, and the tag: 32 + 32 + 16 bytes. */
  ciphertext: base64Url(107),
};

/** A key file as read: well-formed, nothing of it proven yet. */
export type KeyFile = RecordOf<typeof shape>;

/**
 * Reads a key file (docs/protocol.md, section 11) and derives nothing yet.
 *
 * @throws AmeshError `key_store_damaged`
 */
export function parseKeyFile(bytes: Uint8Array): KeyFile {
  return readDocument(bytes, record(shape), "key_store_damaged", "The key file");
}

/** The public key that a file names; proven only once the private key is seen. */
export function publicKeyOf(file: { readonly publicKey: string }): PublicKey {
  try {
    return PublicKey.fromBase64(file.publicKey);
  } catch (cause) {
    throw new AmeshError("key_store_damaged", "The key file names a public key that is none.", { cause });
  }
}

/** @throws AmeshError `passphrase_wrong`, `key_store_damaged` */
export async function openKeyFile(file: KeyFile, passphrase: string): Promise<SoftwareKey> {
  const { ciphertext, ...header } = file;
  const sealed = decode(ciphertext);
  const key = await deriveKey(passphrase, decode(header.kdf.salt), header.kdf);
  const decipher = createDecipheriv("aes-256-gcm", key, decode(header.cipher.nonce), { authTagLength: 16 });
  key.fill(0);
  decipher.setAAD(utf8(canonicalJson(header))).setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(0, -16));
  try {
    if (!isAuthentic(decipher)) throw new AmeshError("passphrase_wrong");
    return unpack(plaintext, file.publicKey);
  } finally {
    plaintext.fill(0);
  }
}

/** @throws TypeError when `cost` is out of bounds */
export async function sealKeyFile(
  { privateKey, sealingSecret }: SoftwareKey,
  passphrase: string,
  cost: Argon2Cost,
): Promise<string> {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const header = {
    version: 1,
    publicKey: privateKey.publicKey.base64,
    kdf: { name: "argon2id", ...checkCost(cost), salt: toBase64Url(salt) },
    cipher: { name: "aes-256-gcm", nonce: toBase64Url(nonce) },
  };
  const key = await deriveKey(passphrase, salt, cost);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  key.fill(0);
  const scalar = privateKey.export();
  const plaintext = concatBytes(scalar, sealingSecret);
  cipher.setAAD(utf8(canonicalJson(header)));
  const sealed = concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  scalar.fill(0);
  plaintext.fill(0);
  return `${JSON.stringify({ ...header, ciphertext: toBase64Url(sealed) }, null, 2)}\n`;
}

function isAuthentic(decipher: DecipherGCM): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

function unpack(plaintext: Uint8Array, named: string): SoftwareKey {
  try {
    const privateKey = PrivateKey.fromBytes(plaintext.subarray(0, 32));
    if (privateKey.publicKey.base64 === named)
      return { privateKey, sealingSecret: Uint8Array.from(plaintext.subarray(32)) };
  } catch (cause) {
    throw new AmeshError("key_store_damaged", "The key file holds no private key.", { cause });
  }
  throw new AmeshError("key_store_damaged", "The private key in the key file is not the public key's.");
}

async function deriveKey(passphrase: string, salt: Uint8Array, cost: Argon2Cost): Promise<Buffer> {
  const { hashRaw } = await import("@node-rs/argon2"); // loaded on use: most commands never open a key
  return hashRaw(passphrase, {
    algorithm: 2, // Argon2id; the package's const enum cannot be imported by isolated modules
    memoryCost: cost.memoryKiB,
    timeCost: cost.passes,
    parallelism: cost.lanes,
    outputLen: 32,
    salt,
  });
}

function checkCost(cost: Argon2Cost): Argon2Cost {
  try {
    return {
      memoryKiB: memoryKiB(cost.memoryKiB, "memoryKiB"),
      passes: passes(cost.passes, "passes"),
      lanes: lanes(cost.lanes, "lanes"),
    };
  } catch (cause) {
    throw new TypeError(`The Argon2 cost: ${(cause as Error).message}.`);
  }
}

function decode(characters: string): Uint8Array {
  const bytes = fromBase64Url(characters);
  if (bytes === undefined)
    throw new AmeshError("key_store_damaged", "The key file holds no canonical base64url.");
  return bytes;
}
