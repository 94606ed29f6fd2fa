import { AmeshError } from "@authmesh/core";
import { AllowListFile, isFailure } from "./allow-list-file.js";
import type { DeviceEntry } from "./allow-list-format.js";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { identityFolder, identityPath, lockPath, passphrasePath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { removeFile } from "./internal/durable-file.js";
import { withLock } from "./internal/folder-lock.js";
import { type KeyStoreDriver, type KeyStoreFinding, keyStoreDrivers } from "./key-store-drivers.js";
import { goOver, keepPrevious, migrationAt } from "./migration.js";
import { type NextIdentity, type NextIdentityOptions, obtainNextIdentity } from "./next-identity.js";
import {
  type OpenIdentityOptions,
  openIdentity,
  openIdentityOf,
  openKeyStoreOf,
  proveKey,
} from "./open-identity.js";

export interface PreparedMigration extends NextIdentity {
  readonly dir: string;
  /** In use until `finishMigration`. */
  readonly identity: Identity;
  /** The machines that this one calls: each has to learn the next key before. */
  readonly targets: readonly DeviceEntry[];
}

export interface MigrationOptions extends OpenIdentityOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * Makes the key that this machine moves to, in a better key store (docs/protocol.md, section 11.10). The identity in
 * use stays as it is, and so does everything else; called again, it says the same.
 *
 * @throws AmeshError `key_store_in_use` where nothing better is found, `migration_unfinished`, what opens an
 * identity and its list, and what `createIdentity` throws
 */
export async function prepareMigration(options: NextIdentityOptions = {}): Promise<PreparedMigration> {
  const dir = identityFolder(options);
  migrationAt(dir, "none", "prepared");
  const open = await openIdentity({ ...options, dir });
  const { identity } = open;
  await proveKey(open);
  const { devices } = (await open.openAllowList()).state;
  const targets = devices.filter(({ role, status }) => role === "target" && status === "active");
  const made = await obtainNextIdentity(identity, { ...options, dir }, (driver, findings) =>
    assertMoves(identity, driver, findings, options.backend),
  );
  return { ...made, dir, identity, targets };
}

/** To a store that was named, whichever it is; else only to one that stands before the present one in the table. */
function assertMoves(
  { backend }: Identity,
  driver: KeyStoreDriver,
  findings: readonly KeyStoreFinding[],
  asked: string | undefined,
): void {
  const present = keyStoreDrivers.findIndex(({ info }) => info.name === backend);
  const found = keyStoreDrivers.indexOf(driver);
  if (found !== present && (asked !== undefined || found < present)) return;
  const others = findings.filter(({ status }) => status !== "selected");
  const why = others.map(({ label, status, reason }) => `${label}: ${status}, ${reason}`).join("; ");
  const detail = `The key is in ${keyStoreDrivers[present]?.info.label ?? backend} already${asked ? "" : `, and nothing better was found${why && ` (${why})`}`}.`;
  throw new AmeshError("key_store_in_use", detail);
}

/**
 * Goes over to the key that `prepareMigration` made: seals the allow list anew, keeps identity.json as
 * identity.previous.json and puts identity.next.json in its place. Killed at any instant it leaves the old identity
 * whole, or a list that nobody accepts until this is called again.
 *
 * @returns the identity in use now, and the one before
 * @throws AmeshError `migration_not_found`, `migration_unfinished`, what opens either identity, what its list is
 * refused with, `storage_failed`, `allow_list_locked`
 */
export async function finishMigration(
  options: MigrationOptions = {},
): Promise<{ readonly dir: string; readonly identity: Identity; readonly previous: Identity }> {
  const { now = Date.now } = options;
  const dir = identityFolder(options);
  const where = { ...options, dir };
  const { current, next } = migrationAt(dir, "prepared", "finishing");
  const open = await openIdentityOf(next, where);
  await proveKey(open);
  const file = await AllowListFile.of(open);
  // The old key is not asked for once the list is sealed by the new one.
  const old = isFailure(file.read()) ? await openIdentityOf(current, where) : undefined;
  const source = old ? await AllowListFile.of(old) : file;
  return file.locked(async (lock) => {
    const migration = migrationAt(dir, "prepared", "finishing");
    if (migration.next.deviceId !== next.deviceId)
      throw new AmeshError("migration_unfinished", "Another process has changed the migration meanwhile.");
    const present = await source.readLatest();
    await keepPrevious(dir, migration);
    if (old !== undefined) {
      const generation = Math.max(present.generation, await file.lastRemembered()) + 1;
      // Remembered first: a list that this key sealed, and does not remember, is never gone on with.
      await file.remember(generation);
      await file.write(lock, present, generation, Math.floor(now() / 1000));
      // By this a running server knows that whoever may use its key has sent it on, and not a writer of files.
      await source.rememberSuccessor(next.deviceId);
    }
    await goOver(lock, dir, next);
    return { dir, identity: next, previous: migration.previous ?? current };
  });
}

/**
 * Deletes the key that `prepareMigration` made. Peers that have learnt it keep an entry for it.
 *
 * @returns the identity that was given up
 * @throws AmeshError `migration_not_found`, `migration_unfinished` once going over has begun, what
 * `KeyStore.delete` throws
 */
export async function cancelMigration(options: OpenIdentityOptions = {}): Promise<Identity> {
  const dir = identityFolder(options);
  return withLock(lockPath(dir), async () => {
    const { current, next } = migrationAt(dir, "prepared");
    await deleteKey(next, current, { ...options, dir });
    await removeFile(identityPath(dir, "identity.next.json"));
    return next;
  });
}

/**
 * Deletes the key that was in use before. Programs that opened it and still run can no longer sign.
 *
 * @returns the identity that was forgotten
 * @throws AmeshError `migration_not_found`, `migration_unfinished` before `finishMigration`, what `KeyStore.delete` throws
 */
export async function forgetPrevious(options: OpenIdentityOptions = {}): Promise<Identity> {
  const dir = identityFolder(options);
  return withLock(lockPath(dir), async () => {
    const { current, previous } = migrationAt(dir, "finished");
    await deleteKey(previous, current, { ...options, dir });
    await removeFile(identityPath(dir, "identity.previous.json"));
    return previous;
  });
}

/** What is gone already, after a crash, is no failure. A generated passphrase goes with the last key that needs it. */
async function deleteKey(
  gone: Identity,
  kept: Identity,
  where: OpenIdentityOptions & { readonly dir: string },
): Promise<void> {
  if (gone.backend === kept.backend && gone.keyAlias === kept.keyAlias)
    throw new AmeshError(
      "key_mismatch",
      `${gone.deviceId} names the key that is in use; nothing was deleted.`,
    );
  try {
    await openKeyStoreOf(gone, where).delete(gone.keyAlias);
  } catch (error) {
    if (!(error instanceof AmeshError && error.code === "key_not_found")) throw error;
  }
  if (gone.backend === encryptedFileInfo.name && kept.backend !== gone.backend)
    await removeFile(passphrasePath(where.dir));
}
