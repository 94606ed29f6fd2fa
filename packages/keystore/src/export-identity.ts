import { existsSync } from "node:fs";
import { AmeshError } from "@authmesh/core";
import { backupCost, sealBackup } from "./backup-file.js";
import { createFile } from "./internal/durable-file.js";
import type { KeyStoreInfo } from "./key-store.js";
import type { OpenIdentity } from "./open-identity.js";
import { refuseWeakPassphrase } from "./passphrase-strength.js";
import type { Argon2Cost } from "./sealed-key.js";

export interface ExportIdentityOptions {
  /** Gives the passphrase of the backup; asked once the key is open. */
  readonly passphrase: () => Promise<string>;
  /** Where the backup is written, a file that is not there yet. Default: nowhere, it is only returned. */
  readonly path?: string | undefined;
  /** What the backup costs to open. Default 256 MiB, 4 passes, 1 lane. */
  readonly argon2?: Argon2Cost | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * Makes a backup of an identity whose key is software (docs/protocol.md, section 11.14): its key and what seals its
 * allow list, encrypted under a passphrase. The allow list itself is not in it.
 *
 * @returns the text of the backup
 * @throws AmeshError `key_not_exportable` for a key that never leaves its store; `passphrase_weak`; `storage_failed`,
 * also for a file that is there already; what the key store throws when it is opened
 */
export async function exportIdentity(
  { identity, keyStore }: Pick<OpenIdentity, "identity" | "keyStore">,
  options: ExportIdentityOptions,
): Promise<string> {
  const { path, now = Date.now } = options;
  if (keyStore.exportKey === undefined) throw notExportable(keyStore.info);
  if (path !== undefined && existsSync(path)) throw fileExists(path); // before a passphrase is asked for
  const key = await keyStore.exportKey(identity.keyAlias);
  const passphrase = await options.passphrase();
  refuseWeakPassphrase(passphrase, [identity.friendlyName, identity.deviceId]);
  const exportedAt = Math.floor(now() / 1000);
  const backup = await sealBackup(identity, exportedAt, key, passphrase, options.argon2 ?? backupCost);
  if (path !== undefined && !(await createFile(path, backup))) throw fileExists(path);
  return backup;
}

const notExportable = ({ label }: KeyStoreInfo) =>
  new AmeshError(
    "key_not_exportable",
    `${label}: the key never leaves this key store, so there is no backup of it.`,
  );

const fileExists = (path: string) =>
  new AmeshError("storage_failed", `There is a ${path} already; it was left as it is.`, {
    fix: "Name a file that is not there yet.",
  });
