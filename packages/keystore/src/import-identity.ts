import { AmeshError, type Failure } from "@authmesh/core";
import { AllowList } from "./allow-list.js";
import { AllowListFile, type AllowListOwner, isFailure } from "./allow-list-file.js";
import { emptyAllowList } from "./allow-list-format.js";
import { openBackup, parseBackup } from "./backup-file.js";
import { makeFolder, refuseExisting } from "./create-identity.js";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { isUntouched } from "./first-allow-list.js";
import { type FolderOptions, identityFolder, lockPath } from "./folder.js";
import { type Identity, writeIdentity } from "./identity-file.js";
import { type HeldLock, withLock } from "./internal/folder-lock.js";
import { type KeyStore, ownAlias } from "./key-store.js";
import { detectKeyStore } from "./key-store-drivers.js";
import { contextOfNewKey, obtainKey } from "./new-key.js";
import type { Argon2Cost } from "./sealed-key.js";
import { type Warning, warningsOf } from "./warnings.js";

export interface ImportIdentityOptions extends FolderOptions {
  /** What `exportIdentity` wrote. */
  readonly backup: Uint8Array;
  /** Gives the passphrase of the backup; asked once all that can be checked without it fits. */
  readonly passphrase: () => Promise<string>;
  /** Name of the key store that takes the key in. Default "encrypted-file". */
  readonly backend?: string | undefined;
  /** What the key file costs to open. Default 64 MiB, 3 passes, 1 lane. */
  readonly argon2?: Argon2Cost | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

export interface ImportedIdentity {
  readonly dir: string;
  readonly identity: Identity;
  /** Unix seconds. */
  readonly exportedAt: number;
  /** Why nobody is let in: the allow list that was in the folder already is kept, and not believed yet. */
  readonly listProblem: Failure | undefined;
  readonly warnings: readonly Warning[];
}

/**
 * Brings an identity back from its backup (docs/protocol.md, section 11.14), into a folder that has none: key, allow
 * list and, last of all, identity.json. An allow list that is there is left as it is; how old it is nobody knows, so
 * `acceptAllowList` has to take it. Killed in between, the next call goes on.
 *
 * @throws AmeshError `identity_exists`, `backup_damaged`, `key_store_unknown`, `key_store_unavailable`,
 * `key_not_exportable` for a key store that takes no key in, `passphrase_wrong`, `key_exists` when the folder has the
 * key of another identity, `passphrase_missing`, `storage_failed`, `allow_list_locked`
 */
export async function importIdentity(options: ImportIdentityOptions): Promise<ImportedIdentity> {
  const { env = process.env, now = Date.now } = options;
  const dir = identityFolder(options);
  refuseExisting(dir);
  const backup = parseBackup(options.backup);
  const context = contextOfNewKey(dir, env, options);
  const [driver] = await detectKeyStore(context, options.backend ?? encryptedFileInfo.name);
  importing(driver.open(context)); // before a passphrase is asked for
  const key = await openBackup(backup, await options.passphrase());
  makeFolder(dir);
  return withLock(lockPath(dir), async (lock) => {
    refuseExisting(dir);
    const { keyStore, publicKey } = await obtainKey(driver, context, ownAlias, async (store) => {
      await importing(store).importKey(ownAlias, key);
      return key.privateKey.publicKey;
    });
    if (publicKey.base64 !== backup.publicKey)
      throw new AmeshError("key_exists", `There is a key in ${dir} already, that of ${publicKey.deviceId}.`);
    const { deviceId, friendlyName, createdAt, exportedAt } = backup;
    const identity: Identity = {
      version: 1,
      deviceId,
      publicKey: publicKey.base64,
      friendlyName,
      backend: driver.info.name,
      keyAlias: ownAlias,
      createdAt,
    };
    const listProblem = await provideAllowList(lock, { dir, identity, keyStore }, Math.floor(now() / 1000));
    const warnings = warningsOf(context);
    lock.assertHeld();
    await writeIdentity(dir, identity); // nothing may fail after this
    return { dir, identity, exportedAt, listProblem, warnings };
  });
}

/** @throws AmeshError `key_not_exportable` */
function importing(keyStore: KeyStore): Required<Pick<KeyStore, "importKey">> {
  const { importKey } = keyStore;
  if (importKey !== undefined) return { importKey: importKey.bind(keyStore) };
  throw new AmeshError(
    "key_not_exportable",
    `${keyStore.info.label}: this key store takes no key in that was made elsewhere.`,
    { fix: "Import into --backend encrypted-file, or make a new key here with `amesh init` and pair again." },
  );
}

/**
 * An empty list where there is none, or where an interrupted call left one; any other is left as it is.
 *
 * @param now Unix seconds
 * @returns why the list is refused as it stands
 */
async function provideAllowList(
  lock: HeldLock,
  owner: AllowListOwner,
  now: number,
): Promise<Failure | undefined> {
  const file = await AllowListFile.of(owner);
  const remembered = await file.recall();
  const present = file.read();
  if (!isFailure(present) && isFailure(remembered) && isUntouched(present))
    await file.write(lock, present, present.generation, now);
  else if (isFailure(present) && present.code === "allow_list_missing")
    await file.write(lock, emptyAllowList(1), (isFailure(remembered) ? 0 : remembered) + 1, now);
  return (await AllowList.open(owner)).check();
}
