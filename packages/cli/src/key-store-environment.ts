import type { Row } from "./manual.js";

/** What decides how a key store is found and opened, for every verb that does so. */
export const keyStoreEnvironment: readonly Row[] = [
  ["AUTH_MESH_PASSPHRASE", "encrypted-file: passphrase of the key file"],
  ["AMESH_PASSPHRASE_FILE", "encrypted-file: file that holds the passphrase"],
  ["AMESH_TPM", "tpm: /dev/…, swtpm:HOST:PORT or unix:/PATH (default /dev/tpmrm0)"],
  ["AMESH_PIN", "pkcs11: the PIN of the token"],
  ["AMESH_PIN_FILE", "pkcs11: file that holds the PIN"],
  [
    "AMESH_SECURE_ENCLAVE_HELPER",
    "secure-enclave: the program that speaks to it (default: what secure-enclave/build.sh made on a Mac)",
  ],
];
