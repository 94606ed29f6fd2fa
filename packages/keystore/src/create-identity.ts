import { existsSync, mkdirSync } from "node:fs";
import { AmeshError, friendlyName } from "@authmesh/core";
import { storageFailed } from "@authmesh/core/storage-error";
import { type AllowListSettings, checkSettings, writeFirstAllowList } from "./first-allow-list.js";
import { type FolderOptions, identityFolder, identityPath, lockPath } from "./folder.js";
import { type Identity, writeIdentity } from "./identity-file.js";
import { withLock } from "./internal/folder-lock.js";
import { type KeyStore, ownAlias } from "./key-store.js";
import { detectKeyStore, type KeyStoreDriver, type KeyStoreFinding } from "./key-store-drivers.js";
import { contextOfNewKey, type NewKeyOptions, obtainKey } from "./new-key.js";
import { type Warning, warningsOf } from "./warnings.js";

export interface CreateIdentityOptions extends FolderOptions, NewKeyOptions, AllowListSettings {
  readonly friendlyName: string;
  /**
   * The key store itself, such as `createSignerKeyStore` makes: no other is looked for. Its key `device` is used if it
   * has one, else made. `openIdentity` needs to be given it, too.
   */
  readonly keyStore?: KeyStore | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

export interface CreatedIdentity {
  readonly dir: string;
  readonly identity: Identity;
  /** What was found of each key store, in the order in which they were tried; nothing where one was given. */
  readonly findings: readonly KeyStoreFinding[];
  readonly warnings: readonly Warning[];
}

/**
 * Makes this machine's identity: key, allow list and, last of all, identity.json (docs/protocol.md, section 11).
 *
 * Never overwrites, and asks for nothing but the PIN of a token. identity.json is what makes an identity exist:
 * killed before it is there, the next call goes on with the key it finds, and says so, and with the list if that is
 * the latest one the key store remembers.
 *
 * @throws AmeshError `identity_exists`, `invalid_name`, `key_store_unknown`, `key_store_unavailable`,
 * `passphrase_missing`, `storage_failed`, `allow_list_locked`; `passphrase_wrong` when a key that an interrupted
 * call left was made with another passphrase; what the key store's `generate` throws, or `sign` of one that is given
 */
export async function createIdentity(options: CreateIdentityOptions): Promise<CreatedIdentity> {
  const { env = process.env, now = Date.now } = options;
  if (options.keyStore && options.backend !== undefined)
    throw new TypeError("Give createIdentity a key store or the name of one, not both.");
  const settings = checkSettings(options);
  const name = friendlyName(options.friendlyName);
  const dir = identityFolder(options);
  refuseExisting(dir);
  const context = contextOfNewKey(dir, env, options);
  const [driver, findings] = options.keyStore
    ? [given(options.keyStore), []]
    : await detectKeyStore(context, options.backend);
  makeFolder(dir);
  return withLock(lockPath(dir), async (lock) => {
    refuseExisting(dir);
    const { keyStore, publicKey, adopted } = await obtainKey(driver, context, ownAlias);
    const identity: Identity = {
      version: 1,
      deviceId: publicKey.deviceId,
      publicKey: publicKey.base64,
      friendlyName: name,
      backend: driver.info.name,
      keyAlias: ownAlias,
      createdAt: Math.floor(now() / 1000),
    };
    const aside = await writeFirstAllowList(lock, { dir, identity, keyStore }, settings);
    const leftBehind = adopted && options.keyStore === undefined ? identity : undefined;
    const warnings = warningsOf(context, leftBehind, aside);
    lock.assertHeld();
    await writeIdentity(dir, identity); // nothing may fail after this
    return { dir, identity, findings, warnings };
  });
}

/** A key store that is given is there, and works if its key signs. */
const given = (keyStore: KeyStore): Pick<KeyStoreDriver, "info" | "open"> => ({
  info: keyStore.info,
  open: () => keyStore,
});

/** @throws AmeshError `identity_exists` */
export function refuseExisting(dir: string): void {
  const path = identityPath(dir);
  if (existsSync(path)) throw new AmeshError("identity_exists", `There is a ${path} already.`);
}

export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailed(dir, error);
  }
}
