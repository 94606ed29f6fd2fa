/**
 * What a machine keeps: its identity, its key, and the list of devices it accepts (docs/protocol.md, section 11).
 *
 * @module
 */

export { AllowList, type AllowListOptions } from "./allow-list.js";
export {
  addDevice,
  type Consent,
  checkMaxControllers,
  controllersInTheWay,
  type EntryKey,
  type NewDevice,
  removePendingDevice,
  revokeDevice,
  setAudience,
  setMaxControllers,
  setScopes,
} from "./allow-list-changes.js";
export type { AllowListOwner } from "./allow-list-file.js";
export type {
  AddedBy,
  AllowListContents,
  AllowListDraft,
  AllowListState,
  ConsumedToken,
  DeviceEntry,
  Tombstone,
} from "./allow-list-format.js";
export { acceptAllowList, type RepairOptions, startNewAllowList } from "./allow-list-repair.js";
export {
  type BackupPassphraseSources,
  backupPassphrase,
  generateBackupPassphrase,
} from "./backup-passphrase.js";
export { type BootstrapPlace, consumeBootstrapToken } from "./bootstrap-changes.js";
export {
  type BootstrapIdentityOptions,
  type BootstrappedIdentity,
  bootstrapIdentity,
} from "./bootstrap-identity.js";
export {
  type CreatedIdentity,
  type CreateIdentityOptions,
  createIdentity,
} from "./create-identity.js";
export { DeviceIndex } from "./device-index.js";
export { type DeviceList, readDeviceList } from "./device-list.js";
export { EncryptedFileKeyStore, type EncryptedFileOptions } from "./drivers/encrypted-file.js";
export { KeychainKeyStore, type KeychainOptions } from "./drivers/keychain.js";
export { Pkcs11KeyStore, type Pkcs11Options, type Pkcs11Place } from "./drivers/pkcs11.js";
export { SecureEnclaveKeyStore, type SecureEnclaveOptions } from "./drivers/secure-enclave.js";
export { createSignerKeyStore, type SignerOptions, type SignRequest } from "./drivers/signer.js";
export { TpmKeyStore, type TpmOptions } from "./drivers/tpm.js";
export {
  type EnrollmentRecord,
  type HeldEnrollment,
  readEnrollment,
  withEnrollment,
} from "./enrollment-file.js";
export { type ExportIdentityOptions, exportIdentity } from "./export-identity.js";
export { findDevice } from "./find-device.js";
export type { AllowListSettings } from "./first-allow-list.js";
export { mostFleetStatements, readFleetFile, writeFleetFile } from "./fleet-file.js";
export { type Environment, type FolderOptions, identityFolder } from "./folder.js";
export { type Identity, readIdentity } from "./identity-file.js";
export {
  type ImportedIdentity,
  type ImportIdentityOptions,
  importIdentity,
} from "./import-identity.js";
export { inspectSecretFiles, inspectStorage, type StorageFinding } from "./inspect-storage.js";
export { replaceFile } from "./internal/durable-file.js";
export type { KeyAttestation, KeyStore, KeyStoreDetection, KeyStoreInfo, SoftwareKey } from "./key-store.js";
export {
  detectKeyStore,
  type KeyStoreContext,
  type KeyStoreDriver,
  type KeyStoreFinding,
  keyStoreDriver,
  keyStoreDrivers,
} from "./key-store-drivers.js";
export {
  cancelMigration,
  type ForgetOptions,
  finishMigration,
  forgetPrevious,
  type MigrationOptions,
  type PreparedMigration,
  prepareMigration,
  prepareRotation,
} from "./migrate-identity.js";
export { type Migration, type MigrationStage, migrationStages, readMigration } from "./migration.js";
export type { NewKeyOptions } from "./new-key.js";
export type { NextIdentity, NextIdentityOptions } from "./next-identity.js";
export { type OpenIdentity, type OpenIdentityOptions, openIdentity, proveKey } from "./open-identity.js";
export { type DeviceKey, openKey } from "./open-key.js";
export { type DeviceReplacement, replaceDevice } from "./replace-device.js";
export {
  examineLostIdentity,
  type LostIdentity,
  type ReplacedIdentity,
  type ReplaceLostOptions,
  replaceLostIdentity,
} from "./replace-lost-identity.js";
export { longestSealedFile, SealedFiles, type SealedText } from "./sealed-files.js";
export type { Argon2Cost } from "./sealed-key.js";
export { type PromptSecret, type SecretSource, secretFrom } from "./secret-source.js";
export { type TakenBackIdentity, takeBackIdentity } from "./take-back-identity.js";
export { passphraseWarning, type Warning } from "./warnings.js";
