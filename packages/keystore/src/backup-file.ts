import { AmeshError } from "@authmesh/core";
import { oneOf, type RecordOf, readDocument, record, time } from "@authmesh/core/records";
import type { Identity } from "./identity-file.js";
import { cleanName, deviceId } from "./internal/members.js";
import type { SoftwareKey } from "./key-store.js";
import {
  type Argon2Cost,
  namedPublicKey,
  openSealedKey,
  type SealedKeyKind,
  sealedKeyShape,
  sealKey,
} from "./sealed-key.js";

/** Stronger than a key file's: a backup lies where others guess for years, and is opened once. */
export const backupCost: Argon2Cost = { memoryKiB: 256 * 1024, passes: 4, lanes: 1 };

const kind: SealedKeyKind = {
  name: "backup",
  damaged: "backup_damaged",
  refuse: () =>
    new AmeshError(
      "passphrase_wrong",
      "The passphrase does not open the backup, or the backup was changed.",
      {
        fix: "Check AMESH_EXPORT_PASSPHRASE and AMESH_EXPORT_PASSPHRASE_FILE, or type it again.",
      },
    ),
};

const shape = {
  type: oneOf("amesh-identity"),
  version: oneOf(1),
  deviceId,
  friendlyName: cleanName,
  createdAt: time,
  exportedAt: time,
  ...sealedKeyShape,
};

/** A backup as read: well-formed, nothing of it proven yet. */
export type BackupFile = RecordOf<typeof shape>;

const maxBytes = 4096;

/**
 * Reads a backup (docs/protocol.md, section 11.14) and derives nothing yet.
 *
 * @throws AmeshError `backup_damaged`
 */
export function parseBackup(bytes: Uint8Array): BackupFile {
  if (bytes.length > maxBytes)
    throw new AmeshError(kind.damaged, `The backup is longer than ${maxBytes} bytes.`);
  const file = readDocument(bytes, record(shape), kind.damaged, "The backup");
  const named = namedPublicKey(file, kind);
  if (named.deviceId !== file.deviceId)
    throw new AmeshError(kind.damaged, `The key that the backup names is that of ${named.deviceId}.`);
  return file;
}

/**
 * Opens it, and holds what it says about the key against the key.
 *
 * @throws AmeshError `passphrase_wrong`, `backup_damaged`
 */
export const openBackup = (file: BackupFile, passphrase: string): Promise<SoftwareKey> =>
  openSealedKey(file, composed(passphrase), kind);

/**
 * @param exportedAt Unix seconds
 * @returns the text of the file
 * @throws TypeError when `cost` is out of bounds
 */
export function sealBackup(
  { deviceId, friendlyName, createdAt }: Identity,
  exportedAt: number,
  key: SoftwareKey,
  passphrase: string,
  cost: Argon2Cost,
): Promise<string> {
  const own = { type: "amesh-identity", version: 1, deviceId, friendlyName, createdAt, exportedAt };
  return sealKey(own, key, composed(passphrase), cost);
}

// Another system's keyboard may give other code points for the same letter.
const composed = (passphrase: string) => passphrase.normalize("NFC");
