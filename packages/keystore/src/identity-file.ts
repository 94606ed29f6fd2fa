import { AmeshError, PublicKey } from "@authmesh/core";
import { identityPath } from "./folder.js";
import { readBounded } from "./internal/bounded-read.js";
import { createFile } from "./internal/durable-file.js";
import { cleanName, deviceId, publicKey } from "./internal/members.js";
import { oneOf, readDocument, record, text, time } from "./internal/record.js";
import { aliasPattern, namePattern } from "./key-store.js";

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

const shape = record({
  version: oneOf(1),
  deviceId,
  publicKey,
  friendlyName: cleanName,
  backend: text(namePattern, "the name of a key store"),
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
  const key = keyOf(identity);
  if (identity.deviceId !== key.deviceId)
    throw new AmeshError("identity_damaged", `The key in identity.json is that of ${key.deviceId}.`);
  return { identity, publicKey: key };
}

/** @throws AmeshError `identity_exists`, `storage_failed` */
export async function writeIdentity(dir: string, identity: Identity): Promise<void> {
  const path = identityPath(dir);
  if (!(await createFile(path, `${JSON.stringify(identity, null, 2)}\n`)))
    throw new AmeshError("identity_exists", `There is a ${path} already.`);
}

function keyOf(identity: Identity): PublicKey {
  try {
    return PublicKey.fromBase64(identity.publicKey);
  } catch (cause) {
    throw new AmeshError("identity_damaged", "The key in identity.json is no public key.", { cause });
  }
}
