import { AmeshError, type PublicKey, type Sign } from "@authmesh/core";
import { AllowList, type AllowListOptions } from "./allow-list.js";
import { type FolderOptions, identityFolder } from "./folder.js";
import { type Identity, readIdentity } from "./identity-file.js";
import type { KeyStore } from "./key-store.js";
import { keyStoreDriver } from "./key-store-drivers.js";
import { resolvePassphrase } from "./passphrase.js";
import type { PromptSecret } from "./secret-source.js";

export interface OpenIdentityOptions extends FolderOptions {
  /** Asks a person for the secret that opens the key store when it is nowhere else. */
  readonly promptSecret?: PromptSecret | undefined;
}

/** This machine's identity, ready for use. */
export interface OpenIdentity {
  readonly dir: string;
  readonly identity: Identity;
  readonly publicKey: PublicKey;
  readonly keyStore: KeyStore;
  /** Signs with the device's key. The first call opens the key, which may take a while or ask for a passphrase. */
  readonly sign: Sign;
  /** The list of devices this machine accepts. */
  openAllowList(options?: AllowListOptions): Promise<AllowList>;
}

/**
 * Opens the identity of a folder (docs/protocol.md, section 11). One code for command line and SDK: it finds the
 * folder, the key store and, when the key is first used, the passphrase.
 *
 * @throws AmeshError `identity_not_found`, `identity_damaged`, `key_store_unknown`, `key_not_found`,
 * `key_store_damaged`, `key_mismatch`, `storage_failed`
 */
export async function openIdentity(options: OpenIdentityOptions = {}): Promise<OpenIdentity> {
  const { env = process.env, promptSecret } = options;
  const dir = identityFolder(options);
  const { identity, publicKey } = readIdentity(dir);
  const passphrase = () => resolvePassphrase({ dir, env, promptSecret });
  const keyStore = keyStoreDriver(identity.backend).open({ dir, env, passphrase, promptSecret });
  const stored = await keyStore.publicKey(identity.keyAlias);
  if (stored.base64 !== publicKey.base64)
    throw new AmeshError("key_mismatch", `The key store holds the key of ${stored.deviceId}.`);
  const open: OpenIdentity = {
    dir,
    identity,
    publicKey,
    keyStore,
    sign: (message) => keyStore.sign(identity.keyAlias, message),
    openAllowList: (listOptions) => AllowList.open(open, listOptions),
  };
  return open;
}
