import { AmeshError, PublicKey } from "@authmesh/core";
import { AllowListFile, isFailure } from "./allow-list-file.js";
import type { DeviceEntry } from "./allow-list-format.js";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { identityFolder, identityPath, lockPath, passphrasePath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { removeFile } from "./internal/durable-file.js";
import { withLock } from "./internal/folder-lock.js";
import { type KeyStoreDriver, type KeyStoreFinding, keyStoreDrivers } from "./key-store-drivers.js";
import { goOver, keepPrevious, type Migration, migrationAt, readMigration } from "./migration.js";
import {
  type NextIdentity,
  type NextIdentityOptions,
  notNamed,
  obtainNextIdentity,
} from "./next-identity.js";
import {
  type OpenIdentity,
  type OpenIdentityOptions,
  openIdentity,
  openIdentityOf,
  openKeyStoreOf,
  proveKey,
} from "./open-identity.js";
import { SealedFiles } from "./sealed-files.js";
import { isSucceededBy, withdrawSuccessor } from "./succession-file.js";

export interface PreparedMigration extends NextIdentity {
  readonly dir: string;
  /** In use until `finishMigration`. */
  readonly open: OpenIdentity;
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
export const prepareMigration = (options: NextIdentityOptions = {}): Promise<PreparedMigration> =>
  prepare(options, ({ identity }, driver, findings) =>
    assertMoves(identity, driver, findings, options.backend),
  );

/**
 * As `prepareMigration`, to a new key wherever it is to be: by default in the key store of the present one.
 *
 * @throws AmeshError as `prepareMigration` does, but for `key_store_in_use`
 */
export async function prepareRotation(options: NextIdentityOptions = {}): Promise<PreparedMigration> {
  const { current, next = current } = readMigration(identityFolder(options));
  return prepare({ ...options, backend: options.backend ?? next.backend }, () => {});
}

async function prepare(
  options: NextIdentityOptions,
  judge: (open: OpenIdentity, driver: KeyStoreDriver, findings: readonly KeyStoreFinding[]) => void,
): Promise<PreparedMigration> {
  const dir = identityFolder(options);
  migrationAt(dir, "none", "prepared");
  const open = await openIdentity({ ...options, dir });
  const { identity } = open;
  await proveKey(open);
  const { devices } = (await open.openAllowList()).state;
  const targets = devices.filter(({ role, status }) => role === "target" && status === "active");
  const made = await obtainNextIdentity(
    identity,
    { ...options, dir },
    { key: open, judge: (driver, findings) => judge(open, driver, findings) },
  );
  return { ...made, dir, open, identity, targets };
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
 * Goes over to the key that `prepareMigration` made: seals the allow list and what is kept of trust feeds anew, keeps identity.json as
 * identity.previous.json and puts identity.next.json in its place. Killed at any instant it leaves the old identity
 * whole, or a list that nobody accepts until this is called again. Called once more at the end it changes nothing.
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
  const reached = migrationAt(dir, "prepared", "finishing", "finished");
  if (reached.stage === "finished")
    return { dir, identity: reached.current, previous: reached.previous as Identity };
  const { current, next } = assertNamed(dir, migrationAt(dir, "prepared", "finishing"));
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
    }
    const left = old ?? (await openIfUsable(migration.previous ?? current, where));
    if (left !== undefined) await leave(left, open);
    await goOver(lock, dir, next);
    return { dir, identity: next, previous: migration.previous ?? current };
  });
}

/** Otherwise whoever can write files could put another key, and another list, in the place of this machine's. */
function assertNamed<M extends Migration & { readonly next: Identity }>(dir: string, migration: M): M {
  const { current, next, previous } = migration;
  // Killed between the last two steps, the folder has gone over already.
  const from = current.deviceId === next.deviceId ? (previous ?? current) : current;
  if (!isSucceededBy(dir, PublicKey.fromBase64(from.publicKey), next.deviceId)) throw notNamed(dir, next);
  return migration;
}

/**
 * Has the old key store remember that the list has moved on, so that it takes up no old copy of it, and seals for the next key
 * what the old one sealed of authorities.
 */
async function leave(old: OpenIdentity, next: OpenIdentity): Promise<void> {
  await (await AllowListFile.of(old)).rememberSuccessor(next.identity.deviceId);
  await SealedFiles.handOver(old, next);
}

/** After a crash the old key store may be gone: nothing depends on it then. */
async function openIfUsable(
  old: Identity,
  where: OpenIdentityOptions & { readonly dir: string },
): Promise<OpenIdentity | undefined> {
  try {
    const open = await openIdentityOf(old, where);
    await proveKey(open);
    return open;
  } catch (error) {
    if (error instanceof AmeshError) return undefined;
    throw error;
  }
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
    await withdrawSuccessor(dir, current.deviceId);
    await removeFile(identityPath(dir, "identity.next.json"));
    return next;
  });
}

export interface ForgetOptions extends OpenIdentityOptions {
  /**
   * Also a key that was given up as lost and signs again; and where its key store is gone, forget it and leave the
   * key where it is. Default false.
   */
  readonly force?: boolean | undefined;
}

/**
 * Deletes the key that was in use before. Programs that opened it and still run can no longer sign.
 *
 * @returns the identity that was forgotten, and whether its key is deleted
 * @throws AmeshError `migration_not_found`, `migration_unfinished` before `finishMigration`, what `KeyStore.delete`
 * throws; `identity_exists` for a key that was given up as lost and signs
 */
export async function forgetPrevious(
  options: ForgetOptions = {},
): Promise<{ readonly identity: Identity; readonly deleted: boolean }> {
  const dir = identityFolder(options);
  const where = { ...options, dir };
  return withLock(lockPath(dir), async () => {
    const { current, previous } = migrationAt(dir, "finished");
    assertNotInUse(previous, current);
    if (options.force !== true) await assertGivenUp(previous, current, where);
    const deleted = await deleteKey(previous, current, where).then(
      () => true,
      (error: unknown) => leftBehind(error, options.force === true),
    );
    await removeFile(identityPath(dir, "identity.previous.json"));
    return { identity: previous, deleted };
  });
}

/** A key that went over to the present one may go; one that was given up as lost may be all there is of a good list. */
async function assertGivenUp(
  previous: Identity,
  current: Identity,
  where: OpenIdentityOptions & { readonly dir: string },
): Promise<void> {
  const { deviceId } = previous;
  if (isSucceededBy(where.dir, PublicKey.fromBase64(previous.publicKey), current.deviceId)) return;
  if ((await openIfUsable(previous, where)) === undefined) return;
  throw new AmeshError(
    "identity_exists",
    `The key of ${deviceId} was given up as lost, and it signs again.`,
    {
      fix: "Take it back with `amesh init --replace-lost --cancel`, or give --force to delete it.",
    },
  );
}

function leftBehind(error: unknown, force: boolean): false {
  if (!(error instanceof AmeshError)) throw error;
  if (force) return false;
  const fix = `${error.fix} If it is gone for good, give --force: the key is left where it is.`;
  throw new AmeshError(error.code, error.message, { fix, cause: error });
}

function assertNotInUse(gone: Identity, kept: Identity): void {
  if (gone.backend === kept.backend && gone.keyAlias === kept.keyAlias)
    throw new AmeshError(
      "key_mismatch",
      `${gone.deviceId} names the key that is in use; nothing was deleted.`,
    );
}

/** What is gone already, after a crash, is no failure. A generated passphrase goes with the last key that needs it. */
export async function deleteKey(
  gone: Identity,
  kept: Identity,
  where: OpenIdentityOptions & { readonly dir: string },
): Promise<void> {
  assertNotInUse(gone, kept);
  try {
    await openKeyStoreOf(gone, where).delete(gone.keyAlias);
  } catch (error) {
    if (!(error instanceof AmeshError && error.code === "key_not_found")) throw error;
  }
  if (gone.backend === encryptedFileInfo.name && kept.backend !== gone.backend)
    await removeFile(passphrasePath(where.dir));
}
