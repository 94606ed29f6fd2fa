import { AmeshError, quoteForeign } from "@authmesh/core";
import { AllowList, type AllowListOptions } from "./allow-list.js";
import { type FolderOptions, identityFolder } from "./folder.js";
import { type Identity, readIdentity } from "./identity-file.js";
import type { KeyStore } from "./key-store.js";
import { type KeyStoreContext, keyStoreDrivers } from "./key-store-drivers.js";
import { type DeviceKey, openKey } from "./open-key.js";
import { resolvePassphrase } from "./passphrase.js";
import type { PromptSecret } from "./secret-source.js";

export interface OpenIdentityOptions extends FolderOptions {
  /** The key store that `createIdentity` was given. Default: the one of amesh's own that identity.json names. */
  readonly keyStore?: KeyStore | undefined;
  /** Asks a person for the secret that opens the key store when it is nowhere else. */
  readonly promptSecret?: PromptSecret | undefined;
}

/** This machine's identity, ready for use. */
export interface OpenIdentity extends DeviceKey {
  readonly dir: string;
  readonly identity: Identity;
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
  const keyStore = options.keyStore ?? storeOf(identity, { dir, env, passphrase, promptSecret });
  if (keyStore.info.name !== identity.backend)
    throw new AmeshError(
      "key_mismatch",
      `identity.json names the key store ${quoteForeign(identity.backend)}; the one that was given is ${keyStore.info.name}.`,
      { fix: "Give openIdentity a key store of the name that createIdentity was given." },
    );
  const key = await openKey(keyStore, identity.keyAlias);
  if (key.publicKey.base64 !== publicKey.base64)
    throw new AmeshError("key_mismatch", `The key store holds the key of ${key.publicKey.deviceId}.`);
  const open: OpenIdentity = {
    ...key,
    dir,
    identity,
    openAllowList: (listOptions) => AllowList.open(open, listOptions),
  };
  return open;
}

function storeOf({ backend }: Identity, context: KeyStoreContext): KeyStore {
  const driver = keyStoreDrivers.find(({ info }) => info.name === backend);
  if (driver !== undefined) return driver.open(context);
  throw new AmeshError(
    "key_store_unknown",
    `The key is in ${quoteForeign(backend)}, no key store of amesh's own.`,
    {
      fix: "Use this identity in the program that has its key store: openIdentity({ keyStore }).",
    },
  );
}
