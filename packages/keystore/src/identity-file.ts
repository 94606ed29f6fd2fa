import { AmeshError, friendlyName, type JsonValue, PublicKey } from "@authmesh/core";
import { identityPath } from "./folder.js";
import { readBounded } from "./internal/bounded-read.js";
import { createFile } from "./internal/durable-file.js";
import { Misfit, oneOf, type Reader, readDocument, record, text, time } from "./internal/record.js";
import { aliasPattern } from "./key-store.js";

/** Who this machine is, as identity.json says it (docs/protocol.md, section 11). */
export interface Identity {
  readonly version: 1;
  /** Computed from the key, also when read. */
  readonly deviceId: string;
  /** The compressed point in standard base64. */
  readonly publicKey: string;
  readonly friendlyName: string;
  /** Name of the key store that holds the key. */
  readonly backend: string;
  readonly keyAlias: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** A name that cleaning leaves as it is. */
export const cleanName: Reader<string> = (value: JsonValue, at: string) => {
  try {
    if (typeof value === "string" && friendlyName(value) === value) return value;
  } catch {
    // falls through: a name of no visible character is as unfit as a number
  }
  throw new Misfit(`${at} is not a name as friendlyName gives it`);
};

export const deviceId: Reader<string> = text(/^am_[A-Za-z0-9_-]{16}$/, "a device id");
export const publicKeyText: Reader<string> = text(/^[A-Za-z0-9+/]{44}$/, "base64 of 33 bytes");

const shape = record({
  version: oneOf(1),
  deviceId,
  publicKey: publicKeyText,
  friendlyName: cleanName,
  backend: text(/^[a-z0-9-]{1,32}$/, "the name of a key store"),
  keyAlias: text(aliasPattern, "an alias of a key"),
  createdAt: time,
});

const maxBytes = 4096;

/**
 * Reads the identity of a folder.
 *
 * @throws AmeshError `identity_not_found`, `identity_damaged`, `storage_failed`
 */
export function readIdentity(dir: string): { identity: Identity; publicKey: PublicKey } {
  const path = identityPath(dir);
  const bytes = readBounded(path, maxBytes);
  if (bytes === undefined) throw new AmeshError("identity_not_found", `There is no ${path}.`);
  return parseIdentity(bytes);
}

/** @throws AmeshError `identity_damaged` */
export function parseIdentity(bytes: Uint8Array): { identity: Identity; publicKey: PublicKey } {
  const identity = readDocument(bytes, shape, "identity_damaged", "identity.json");
  const publicKey = keyOf(identity);
  if (identity.deviceId !== publicKey.deviceId)
    throw new AmeshError("identity_damaged", `The key in identity.json is that of ${publicKey.deviceId}.`);
  return { identity, publicKey };
}

/** @throws AmeshError `identity_exists`, `storage_failed` */
export async function writeIdentity(dir: string, identity: Identity): Promise<void> {
  const path = identityPath(dir);
  if (!(await createFile(path, `${JSON.stringify(identity, null, 2)}\n`)))
    throw new AmeshError("identity_exists", `There is a ${path} already.`);
}

function keyOf({ publicKey }: Identity): PublicKey {
  try {
    return PublicKey.fromBase64(publicKey);
  } catch (cause) {
    throw new AmeshError("identity_damaged", "The key in identity.json is no public key.", { cause });
  }
}
