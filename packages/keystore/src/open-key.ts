import type { PublicKey, Sign } from "@authmesh/core";
import { type KeyStore, ownAlias } from "./key-store.js";

/** A device's key, ready for use; it stays in its store. */
export interface DeviceKey {
  readonly publicKey: PublicKey;
  readonly keyStore: KeyStore;
  /** Signs with the device's key. The first call opens the key, which may take a while or ask for a passphrase. */
  readonly sign: Sign;
}

/**
 * Takes a key from its store: all that a machine needs that calls others and is called by nobody. It has no folder.
 *
 * @example
 * const client = createClient({ identity: await openKey(keyStore) });
 *
 * @throws AmeshError `key_not_found`, and what else the key store fails with
 */
export async function openKey(keyStore: KeyStore, alias = ownAlias): Promise<DeviceKey> {
  const publicKey = await keyStore.publicKey(alias);
  return { publicKey, keyStore, sign: (message) => keyStore.sign(alias, message) };
}
