import { AmeshError, type PublicKey } from "@authmesh/core";
import { oneOf, readDocument, record } from "@authmesh/core/records";
import type { SoftwareKey } from "../key-store.js";
import {
  type Argon2Cost,
  namedPublicKey,
  openSealedKey,
  type SealedKey,
  type SealedKeyKind,
  sealedKeyShape,
  sealKey,
} from "../sealed-key.js";

export const defaultCost: Argon2Cost = { memoryKiB: 64 * 1024, passes: 3, lanes: 1 };

const kind: SealedKeyKind = {
  name: "key file",
  damaged: "key_store_damaged",
  refuse: () => new AmeshError("passphrase_wrong"),
};

const shape = record({ version: oneOf(1), ...sealedKeyShape });

/**
 * Reads a key file (docs/protocol.md, section 11) and derives nothing yet.
 *
 * @throws AmeshError `key_store_damaged`
 */
export function parseKeyFile(bytes: Uint8Array): SealedKey {
  return readDocument(bytes, shape, kind.damaged, "The key file");
}

/** The public key that the file names; proven only once the file is opened. @throws AmeshError `key_store_damaged` */
export const publicKeyOf = (file: SealedKey): PublicKey => namedPublicKey(file, kind);

/** @throws AmeshError `passphrase_wrong`, `key_store_damaged` */
export const openKeyFile = (file: SealedKey, passphrase: string): Promise<SoftwareKey> =>
  openSealedKey(file, passphrase, kind);

/** @throws TypeError when `cost` is out of bounds */
export const sealKeyFile = (key: SoftwareKey, passphrase: string, cost: Argon2Cost): Promise<string> =>
  sealKey({ version: 1 }, key, passphrase, cost);
