import { AmeshError, PublicKey } from "@authmesh/core";
import { AllowListFile } from "./allow-list-file.js";
import { identityFolder, identityPath } from "./folder.js";
import { type Identity, replaceIdentity } from "./identity-file.js";
import { removeFile } from "./internal/durable-file.js";
import { deleteKey, type MigrationOptions } from "./migrate-identity.js";
import { migrationAt } from "./migration.js";
import { openIdentityOf, proveKey } from "./open-identity.js";
import { isSucceededBy } from "./succession-file.js";

export interface TakenBackIdentity {
  readonly dir: string;
  readonly identity: Identity;
  /** What stood in its place. */
  readonly givenUp: Identity;
  /** Whether that one's key is deleted; false where its key store cannot be used. */
  readonly deleted: boolean;
}

/**
 * Undoes `replaceLostIdentity` where the lost key signs again: the machine is the device it was, with the list that
 * was set aside. The key that stood in its place is deleted if it can be, its list kept under another name. Killed at any instant,
 * it is completed by another call.
 *
 * @throws AmeshError `migration_not_found` where no key was replaced as lost, what opens the lost identity,
 * `allow_list_missing`, `allow_list_rollback`, `storage_failed`
 */
export async function takeBackIdentity(options: MigrationOptions = {}): Promise<TakenBackIdentity> {
  const { now = Date.now } = options;
  const dir = identityFolder(options);
  const where = { ...options, dir };
  const { current, previous } = migrationAt(dir, "finished");
  if (isSucceededBy(dir, PublicKey.fromBase64(previous.publicKey), current.deviceId))
    throw new AmeshError(
      "migration_not_found",
      `The key of ${previous.deviceId} was not lost: it named ${current.deviceId} in its place.`,
    );
  const open = await openIdentityOf(previous, where);
  await proveKey(open);
  const file = await AllowListFile.of(open);
  return file.locked(async (lock) => {
    const migration = migrationAt(dir, "finished");
    if (migration.previous.deviceId !== previous.deviceId)
      throw new AmeshError("migration_unfinished", "Another process has changed the identity meanwhile.");
    await file.takeBack(lock, Math.floor(now() / 1000));
    const deleted = await deleteIfPossible(current, previous, where);
    await replaceIdentity(dir, previous, () => lock.assertHeld());
    await removeFile(identityPath(dir, "identity.previous.json"));
    return { dir, identity: previous, givenUp: current, deleted };
  });
}

async function deleteIfPossible(...args: Parameters<typeof deleteKey>): Promise<boolean> {
  const [gone, kept] = args;
  if (gone.deviceId === kept.deviceId) return true; // killed just before the end
  try {
    await deleteKey(...args);
    return true;
  } catch (error) {
    if (error instanceof AmeshError) return false;
    throw error;
  }
}
