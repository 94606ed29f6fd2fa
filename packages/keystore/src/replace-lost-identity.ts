import { existsSync } from "node:fs";
import { AmeshError, decodeUtf8, type Failure, friendlyName } from "@authmesh/core";
import { AllowListFile, isFailure } from "./allow-list-file.js";
import { type AllowListContents, maxAllowListBytes } from "./allow-list-format.js";
import { readUnsealed } from "./allow-list-seal.js";
import { type AllowListSettings, checkSettings, writeFirstAllowList } from "./first-allow-list.js";
import { identityFolder, replaceLostPath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { readBounded } from "./internal/bounded-read.js";
import { replaceFile } from "./internal/durable-file.js";
import type { KeyStoreFinding } from "./key-store-drivers.js";
import { goOver, keepPrevious, migrationAt } from "./migration.js";
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
 * `migration_unfinished` while a previous key is kept, `storage_failed`
 */
export async function examineLostIdentity(options: OpenIdentityOptions = {}): Promise<LostIdentity> {
  const dir = identityFolder(options);
  const { current, next, previous } = migrationAt(dir, "none", "prepared", "finishing");
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
  );
  const identity: Identity = { ...next.identity, ...name };
  const file = await AllowListFile.of(next);
  return file.locked(async (lock) => {
    const migration = migrationAt(dir, "prepared", "finishing");
    const note = noteFor(dir, lost.identity, identity, file);
    await replaceFile(replaceLostPath(dir), note, () => lock.assertHeld());
    await keepPrevious(dir, migration);
    const oldList = await writeFirstAllowList(lock, { ...next, identity }, settings);
    await goOver(lock, dir, identity);
    const notePath = replaceLostPath(dir);
    return { dir, identity, lost: lost.identity, findings, warnings, note, notePath, oldList };
  });
}

/** The note stays what it is once the old list has made way. */
function noteFor(dir: string, lost: Identity, identity: Identity, file: AllowListFile): string {
  const hasMadeWay = !existsSync(file.path) || !isFailure(file.read());
  const written = decodeUtf8(readBounded(replaceLostPath(dir), maxAllowListBytes) ?? new Uint8Array()) ?? "";
  if (hasMadeWay && written.includes(identity.deviceId)) return written;
  return replaceLostNote(lost, identity, readOldList(file.path));
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
