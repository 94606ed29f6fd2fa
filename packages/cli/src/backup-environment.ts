import type { Row } from "./manual.js";

export const backupEnvironment: readonly Row[] = [
  ["AMESH_EXPORT_PASSPHRASE", "passphrase of the backup"],
  ["AMESH_EXPORT_PASSPHRASE_FILE", "file that holds the passphrase of the backup"],
];
