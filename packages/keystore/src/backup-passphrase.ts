import { randomBytes } from "node:crypto";
import type { Environment } from "./folder.js";
import { type PromptSecret, type SecretSource, secretFrom, secretMissing } from "./secret-source.js";

export interface BackupPassphraseSources {
  /** Default `process.env`. */
  readonly env?: Environment | undefined;
  /** Asks a person, where there is one. */
  readonly promptSecret?: PromptSecret | undefined;
}

const source: SecretSource = {
  variable: "AMESH_EXPORT_PASSPHRASE",
  fileVariable: "AMESH_EXPORT_PASSPHRASE_FILE",
  missing: "passphrase_missing",
};

/**
 * The passphrase of a backup: `AMESH_EXPORT_PASSPHRASE`, the file that `AMESH_EXPORT_PASSPHRASE_FILE` names, an
 * answer to the prompt (docs/protocol.md, section 11.14).
 *
 * @throws AmeshError `passphrase_missing`, `storage_failed`
 */
export async function backupPassphrase({
  env = process.env,
  promptSecret,
}: BackupPassphraseSources): Promise<string> {
  const passphrase = secretFrom(source, env) ?? (await promptSecret?.("Passphrase of the backup"));
  if (passphrase) return passphrase;
  throw secretMissing(
    source,
    "A backup has a passphrase of its own, and none was given: neither AMESH_EXPORT_PASSPHRASE nor AMESH_EXPORT_PASSPHRASE_FILE is set.",
  );
}

/** Letters and digits that nobody mistakes for each other on paper; 32 of them, five bits each. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * A passphrase that nobody can guess and people can copy: 8 groups of 4, 160 bits.
 *
 * @param random gives so many random bytes
 */
export function generateBackupPassphrase(random: (length: number) => Uint8Array = randomBytes): string {
  const characters = Array.from(random(32), (byte) => alphabet.charAt(byte % alphabet.length)).join("");
  return (characters.match(/.{4}/g) ?? []).join("-");
}
