import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from "node:crypto";
import {
  AmeshError,
  canonicalJson,
  concatBytes,
  type ErrorCode,
  fromBase64Url,
  type JsonValue,
  PrivateKey,
  PublicKey,
  quoteForeign,
  toBase64Url,
  utf8,
} from "@authmesh/core";
import { integer, oneOf, type RecordOf, record } from "@authmesh/core/records";
import { base64Url, publicKey } from "./internal/members.js";
import type { SoftwareKey } from "./key-store.js";

/** What deriving a key from a passphrase costs. */
export interface Argon2Cost {
  /** 19,456 (19 MiB) to 1,048,576 (1 GiB). */
  readonly memoryKiB: number;
  /** 1 to 10. */
  readonly passes: number;
  /** 1 to 4. */
  readonly lanes: number;
}

/** One kind of file that keeps a software key under a passphrase. */
export interface SealedKeyKind {
  /** What errors call the file: "key file". */
  readonly name: string;
  /** The code of a file that cannot be one. */
  readonly damaged: ErrorCode;
  /** What a passphrase that does not fit is answered with. */
  readonly refuse: () => AmeshError;
}

// The bounds hold for what is written and for what is read: a file must not decide how long opening it takes.
const memoryKiB = integer(19 * 1024, 1024 * 1024);
const passes = integer(1, 10);
const lanes = integer(1, 4);

/** The members that every kind has beside its own (docs/protocol.md, section 11.6). */
export const sealedKeyShape = {
  publicKey,
  kdf: record({ name: oneOf("argon2id"), memoryKiB, passes, lanes, salt: base64Url(22) }),
  cipher: record({ name: oneOf("aes-256-gcm"), nonce: base64Url(16) }),
  /** Private key ‖ sealing secret, encrypted, and the tag: 32 + 32 + 16 bytes. */
  ciphertext: base64Url(107),
};

/** A file as read: well-formed, nothing of it proven yet. */
export type SealedKey = RecordOf<typeof sealedKeyShape>;

/** The public key that the file names; proven only once the file is opened. @throws AmeshError `kind.damaged` */
export function namedPublicKey(
  file: Pick<SealedKey, "publicKey">,
  kind: Pick<SealedKeyKind, "name" | "damaged">,
): PublicKey {
  try {
    return PublicKey.fromBase64(file.publicKey);
  } catch (cause) {
    throw new AmeshError(kind.damaged, `The ${kind.name} names a public key that is none.`, { cause });
  }
}

/**
 * @param file all that was read: every member but `ciphertext` is authenticated
 * @throws AmeshError what `kind` says; `key_store_unavailable` without the memory that Argon2 takes
 */
export async function openSealedKey(
  file: SealedKey,
  passphrase: string,
  kind: SealedKeyKind,
): Promise<SoftwareKey> {
  const { ciphertext, ...header } = file;
  const sealed = decode(ciphertext, kind);
  const nonce = decode(header.cipher.nonce, kind);
  const key = await deriveKey(passphrase, decode(header.kdf.salt, kind), header.kdf);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  key.fill(0);
  decipher.setAAD(utf8(canonicalJson(header))).setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(0, -16));
  try {
    if (!isAuthentic(decipher)) throw kind.refuse();
    return unpack(plaintext, file.publicKey, kind);
  } finally {
    plaintext.fill(0);
  }
}

/**
 * @param own the members of the kind, which come first and are authenticated too
 * @returns the text of the file
 * @throws TypeError when `cost` is out of bounds; AmeshError `key_store_unavailable` without the memory it takes
 */
export async function sealKey(
  own: Readonly<Record<string, JsonValue>>,
  { privateKey, sealingSecret }: SoftwareKey,
  passphrase: string,
  cost: Argon2Cost,
): Promise<string> {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const header = {
    ...own,
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

function unpack(plaintext: Uint8Array, named: string, { damaged, name }: SealedKeyKind): SoftwareKey {
  try {
    const privateKey = PrivateKey.fromBytes(plaintext.subarray(0, 32));
    if (privateKey.publicKey.base64 === named)
      return { privateKey, sealingSecret: Uint8Array.from(plaintext.subarray(32)) };
  } catch (cause) {
    throw new AmeshError(damaged, `The ${name} holds no private key.`, { cause });
  }
  throw new AmeshError(damaged, `The private key in the ${name} is not the public key's.`);
}

async function deriveKey(passphrase: string, salt: Uint8Array, cost: Argon2Cost): Promise<Buffer> {
  const { hashRaw } = await import("@node-rs/argon2"); // loaded on use: most commands never open a key
  const options = {
    algorithm: 2, // Argon2id; the package's const enum cannot be imported by isolated modules
    memoryCost: cost.memoryKiB,
    timeCost: cost.passes,
    parallelism: cost.lanes,
    outputLen: 32,
    salt,
  };
  try {
    return await hashRaw(passphrase, options);
  } catch (cause) {
    const needed = `${Math.ceil(cost.memoryKiB / 1024)} MiB of memory`;
    const words = quoteForeign(cause instanceof Error ? cause.message : typeof cause);
    throw new AmeshError(
      "key_store_unavailable",
      `Deriving the key from the passphrase takes ${needed}, and failed: ${words}.`,
      { fix: `Give this process ${needed} more: free some, or raise its limit or its container's.`, cause },
    );
  }
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

function decode(characters: string, kind: SealedKeyKind): Uint8Array {
  const bytes = fromBase64Url(characters);
  if (bytes === undefined)
    throw new AmeshError(kind.damaged, `The ${kind.name} holds no canonical base64url.`);
  return bytes;
}
