import { AmeshError, PublicKey } from "@authmesh/core";
import { oneOf, readDocument, record, text, time } from "@authmesh/core/records";
import { readBounded } from "@authmesh/core/server-program";
import { type IdentityFile, identityPath } from "./folder.js";
import { createFile, replaceFile } from "./internal/durable-file.js";
import { cleanName, deviceId, publicKey } from "./internal/members.js";
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
 * Reads who this machine is, without its key.
 *
 * @throws AmeshError `identity_not_found`, `identity_damaged`, `storage_failed`
 */
export function readIdentity(dir: string): { identity: Identity; publicKey: PublicKey } {
  const found = findIdentity(dir, "identity.json");
  if (found === undefined) throw new AmeshError("identity_not_found", `There is no ${identityPath(dir)}.`);
  return found;
}

/** As `readIdentity`, of any of the files; undefined when there is none. */
export function findIdentity(
  dir: string,
  file: IdentityFile,
): { identity: Identity; publicKey: PublicKey } | undefined {
  const bytes = readBounded(identityPath(dir, file), maxBytes);
  return bytes && parseIdentity(bytes, file);
}

/** @throws AmeshError `identity_damaged` */
export function parseIdentity(
  bytes: Uint8Array,
  file: IdentityFile = "identity.json",
): { identity: Identity; publicKey: PublicKey } {
  const identity = readDocument(bytes, shape, "identity_damaged", file);
  const key = keyOf(identity);
  if (identity.deviceId !== key.deviceId)
    throw new AmeshError("identity_damaged", `The key in ${file} is that of ${key.deviceId}.`);
  return { identity, publicKey: key };
}

/** @throws AmeshError `identity_exists`, `storage_failed` */
export async function writeIdentity(
  dir: string,
  identity: Identity,
  file: IdentityFile = "identity.json",
): Promise<void> {
  const path = identityPath(dir, file);
  if (!(await createFile(path, textOf(identity))))
    throw new AmeshError("identity_exists", `There is a ${path} already.`);
}

/** Puts another identity in the place of the one in use. @throws AmeshError `storage_failed` */
export async function replaceIdentity(
  dir: string,
  identity: Identity,
  beforeRename: () => void,
): Promise<void> {
  await replaceFile(identityPath(dir), textOf(identity), beforeRename);
}

const textOf = (identity: Identity) => `${JSON.stringify(identity, null, 2)}\n`;

function keyOf(identity: Identity): PublicKey {
  try {
    return PublicKey.fromBase64(identity.publicKey);
  } catch (cause) {
    throw new AmeshError("identity_damaged", "The key in identity.json is no public key.", { cause });
  }
}
