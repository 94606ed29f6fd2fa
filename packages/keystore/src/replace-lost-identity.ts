import { existsSync } from "node:fs";
import { AmeshError, decodeUtf8, type Failure, friendlyName } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { AllowListFile, isFailure } from "./allow-list-file.js";
import { type AllowListContents, maxAllowListBytes } from "./allow-list-format.js";
import { readUnsealed } from "./allow-list-seal.js";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { type AllowListSettings, checkSettings, writeFirstAllowList } from "./first-allow-list.js";
import { identityFolder, replaceLostPath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { replaceFile } from "./internal/durable-file.js";
import { type KeyStoreDriver, type KeyStoreFinding, keyStoreDrivers } from "./key-store-drivers.js";
import { goOver, keepPrevious, migrationAt, readMigration } from "./migration.js";
import { type NextIdentityOptions, obtainNextIdentity } from "./next-identity.js";
import { type OpenIdentityOptions, openIdentityOf, proveKey } from "./open-identity.js";
import { replaceLostNote } from "./replace-lost-note.js";
import type { Warning } from "./warnings.js";

/** An identity whose key does not sign. */
export interface LostIdentity {
  readonly dir: string;
  readonly identity: Identity;
  /** Why it does not. */
  readonly cause: Failure;
  /** Whether that may pass: a passphrase is found, a device plugged in, a lock ends. */
  readonly mayComeBack: boolean;
}

export interface ReplaceLostOptions extends NextIdentityOptions, AllowListSettings {
  /** Default the name of the lost identity. */
  readonly friendlyName?: string | undefined;
}

export interface ReplacedIdentity {
  readonly dir: string;
  readonly identity: Identity;
  readonly lost: Identity;
  readonly findings: readonly KeyStoreFinding[];
  readonly warnings: readonly Warning[];
  /** What has to be done on other machines: text for people, and the file that holds it. */
  readonly note: string;
  readonly notePath: string;
  /** Where the old allow list is kept, if there was one. */
  readonly oldList: string | undefined;
}

const passing = /^(key_store_(unavailable|busy|locked)|passphrase_|pin_|storage_failed)/;

/**
 * Finds out why the key of this machine does not sign, for `replaceLostIdentity`. Changes nothing.
 *
 * @throws AmeshError `identity_exists` while it does sign, `identity_not_found`, `identity_damaged`,
 * `storage_failed`
 */
export async function examineLostIdentity(options: OpenIdentityOptions = {}): Promise<LostIdentity> {
  const dir = identityFolder(options);
  const { current, next, previous } = readMigration(dir);
  // Killed between the last two steps, the folder has gone over already.
  const identity = current.deviceId === next?.deviceId ? (previous ?? current) : current;
  try {
    await proveKey(await openIdentityOf(identity, { ...options, dir }));
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { dir, identity, cause: error.failure, mayComeBack: passing.test(error.code) };
  }
  throw new AmeshError("identity_exists", `The key of ${identity.deviceId} is not lost: it signs.`, {
    fix: "Move to another key store with `amesh init --migrate`, which peers can follow.",
  });
}

/**
 * Gives this machine a new key and an empty allow list in the place of those that are lost (docs/protocol.md, section
 * 11.10). Nothing is deleted: the old identity is kept as identity.previous.json, its key where it is, the allow list
 * under another name. Killed at any instant, it is completed by another call.
 *
 * @throws AmeshError as `createIdentity` and `KeyStore.sign`, of the new key; `migration_unfinished`
 */
export async function replaceLostIdentity(
  lost: LostIdentity,
  options: ReplaceLostOptions = {},
): Promise<ReplacedIdentity> {
  const { dir } = lost;
  const settings = checkSettings(options);
  const name = options.friendlyName === undefined ? {} : { friendlyName: friendlyName(options.friendlyName) };
  const { next, findings, warnings } = await obtainNextIdentity(
    { ...lost.identity, ...name },
    { ...options, dir },
    { judge: (driver, findings) => assertNoWorse(lost.identity, driver, findings, options.backend) },
  );
  const identity: Identity = { ...next.identity, ...name };
  const file = await AllowListFile.of(next);
  return file.locked(async (lock) => {
    const migration = migrationAt(dir, "prepared", "finishing");
    const note = noteFor(lost, migration.previous, identity, file);
    await replaceFile(replaceLostPath(dir), note, () => lock.assertHeld());
    await keepPrevious(dir, migration);
    const oldList = await writeFirstAllowList(lock, { ...next, identity }, settings);
    await goOver(lock, dir, identity);
    const notePath = replaceLostPath(dir);
    return { dir, identity, lost: lost.identity, findings, warnings, note, notePath, oldList };
  });
}

/** The note stays what it is once the old list has made way. */
function noteFor(
  { dir, identity: lost, mayComeBack }: LostIdentity,
  previous: Identity | undefined,
  identity: Identity,
  file: AllowListFile,
): string {
  const hasMadeWay = !existsSync(file.path) || !isFailure(file.read());
  const written = decodeUtf8(readBounded(replaceLostPath(dir), maxAllowListBytes) ?? new Uint8Array()) ?? "";
  if (hasMadeWay && written.includes(identity.deviceId)) return written;
  const earlier = previous?.deviceId === lost.deviceId ? undefined : previous;
  return replaceLostNote({ lost, mayComeBack, earlier, identity, list: readOldList(file.path) });
}

/** A machine whose key was in hardware does not get one in a file, or elsewhere, unless it is told to. */
function assertNoWorse(
  { backend }: Identity,
  { info }: KeyStoreDriver,
  findings: readonly KeyStoreFinding[],
  asked: string | undefined,
): void {
  if (asked !== undefined || backend === encryptedFileInfo.name || info.name === backend) return;
  const before = keyStoreDrivers.find((driver) => driver.info.name === backend)?.info.label ?? backend;
  const why = findings.find(({ name }) => name === backend)?.reason;
  throw new AmeshError(
    "key_store_unavailable",
    `The key was in ${before}${why === undefined ? "" : `, which cannot be used (${why})`}; what was found is ${info.label}.`,
    {
      fix: `Say where the new key is to live: --backend ${backend} once that works, or --backend ${info.name}.`,
    },
  );
}

function readOldList(path: string): AllowListContents | undefined {
  try {
    const bytes = readBounded(path, maxAllowListBytes);
    return bytes && readUnsealed(bytes);
  } catch (error) {
    if (error instanceof AmeshError) return undefined;
    throw error;
  }
}
