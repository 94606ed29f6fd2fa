import { AmeshError, quoteForeign } from "@authmesh/core";
import { EncryptedFileKeyStore, encryptedFileInfo } from "./drivers/encrypted-file.js";
import { detectKeychain, KeychainKeyStore, keychainInfo } from "./drivers/keychain.js";
import { detectPkcs11, Pkcs11KeyStore, type Pkcs11Place, pkcs11Info } from "./drivers/pkcs11.js";
import { detectSecureEnclave, SecureEnclaveKeyStore, secureEnclaveInfo } from "./drivers/secure-enclave.js";
import { detectTpm, TpmKeyStore, tpmInfo } from "./drivers/tpm.js";
import type { Environment } from "./folder.js";
import type { KeyStore, KeyStoreDetection, KeyStoreInfo } from "./key-store.js";
import type { Argon2Cost } from "./sealed-key.js";
import type { PromptSecret } from "./secret-source.js";

/** What a driver is given to find out whether it can work here, and to open its store. */
export interface KeyStoreContext {
  /** The folder of the identity: a store that needs files of its own keeps them there. */
  readonly dir: string;
  readonly env: Environment;
  /** Called only by a store that needs a passphrase, and only when it does. */
  readonly passphrase: () => Promise<string>;
  /** Asks a person for the secret that opens the store, where there is somebody; never for one that is new. */
  readonly promptSecret?: PromptSecret | undefined;
  /** Where the key store `pkcs11` makes a key. */
  readonly pkcs11?: Pkcs11Place | undefined;
  /** For keys of the encrypted file that are made from now on. */
  readonly argon2?: Argon2Cost | undefined;
}

/** One kind of key store. To add one, write its driver and put it into the table. */
export interface KeyStoreDriver {
  readonly info: KeyStoreInfo;
  /** It is used only where somebody names it: a server may not have what it needs, such as a person's session. */
  readonly onlyWhenNamed?: boolean;
  /** Whoever sets this variable asks for this store: where it does not work then, none that protects less is taken. */
  readonly askedForBy?: string;
  /** Whether it works on this machine. A store that was asked for by name may throw instead, to say what mends it. */
  detect(context: KeyStoreContext): Promise<KeyStoreDetection>;
  /** Opens nothing yet: a store does its work when it is asked for a key. */
  open(context: KeyStoreContext): KeyStore;
}

/** In the order in which they are tried: the best protection first, what works everywhere last. */
export const keyStoreDrivers: readonly KeyStoreDriver[] = [
  {
    info: secureEnclaveInfo,
    detect: ({ env }) => detectSecureEnclave({ env }),
    open: ({ dir, env }) => new SecureEnclaveKeyStore({ dir, env }),
  },
  {
    info: keychainInfo,
    onlyWhenNamed: !["darwin", "win32"].includes(process.platform),
    detect: ({ env }) => detectKeychain(env),
    open: ({ dir, env }) => new KeychainKeyStore({ dir, env }),
  },
  {
    info: tpmInfo,
    askedForBy: "AMESH_TPM",
    detect: ({ env }) => detectTpm(env),
    open: ({ dir, env }) => new TpmKeyStore({ dir, env }),
  },
  {
    info: pkcs11Info,
    onlyWhenNamed: true,
    detect: ({ pkcs11 }) => detectPkcs11(pkcs11),
    open: ({ dir, env, promptSecret, pkcs11 }) =>
      new Pkcs11KeyStore({ dir, env, promptSecret, place: pkcs11 }),
  },
  {
    info: encryptedFileInfo,
    detect: async () => ({ available: true, reason: "works everywhere" }),
    open: ({ dir, passphrase, argon2 }) => new EncryptedFileKeyStore({ dir, passphrase, cost: argon2 }),
  },
];

/** What detection says of one driver. */
export interface KeyStoreFinding {
  readonly name: string;
  readonly label: string;
  readonly status: "selected" | "not available" | "not tried";
  /** Why it is so, in a few plain words. */
  readonly reason: string;
  /** What makes it available, where something is known to. */
  readonly fix?: string;
}

/**
 * Looks for the key store to use: the first of the table that is available, or the one that is forced.
 *
 * @param forced name of a driver; no other is looked at then
 * @returns one finding for each driver up to the one that is selected, in order
 * @throws AmeshError `key_store_unknown`; `key_store_unavailable`, also for a store that the environment asks for
 */
export async function detectKeyStore(
  context: KeyStoreContext,
  forced?: string,
  drivers: readonly KeyStoreDriver[] = keyStoreDrivers,
): Promise<readonly [driver: KeyStoreDriver, findings: readonly KeyStoreFinding[]]> {
  const findings: KeyStoreFinding[] = [];
  for (const driver of forced === undefined ? drivers : [keyStoreDriver(forced, drivers)]) {
    const finding = await examine(driver, context, forced);
    findings.push(finding);
    if (finding.status === "selected") return [driver, findings];
    if (forced !== undefined) throw unavailable(finding);
    if (driver.askedForBy !== undefined && context.env[driver.askedForBy])
      throw unavailable(finding, driver.askedForBy);
  }
  const reasons = findings.map(({ label, reason }) => `${label}: ${reason}`).join("; ");
  throw new AmeshError("key_store_unavailable", `No key store can be used here (${reasons}).`);
}

/** @param variable the one that asks for the store */
function unavailable({ label, reason, fix }: KeyStoreFinding, variable?: string): AmeshError {
  const asked = variable === undefined ? "" : `${variable} is set, and `;
  const instead = "To use the encrypted file on purpose, give --backend encrypted-file.";
  const fixes = [fix, variable && instead].filter((mend) => mend !== undefined);
  return new AmeshError(
    "key_store_unavailable",
    `${asked}${label} cannot be used here: ${reason}.`,
    fixes.length === 0 ? {} : { fix: fixes.join(" ") },
  );
}

async function examine(
  driver: KeyStoreDriver,
  context: KeyStoreContext,
  forced: string | undefined,
): Promise<KeyStoreFinding> {
  const { name, label } = driver.info;
  if (driver.onlyWhenNamed && forced === undefined)
    return { name, label, status: "not tried", reason: `ask for it with --backend ${name}` };
  const { available, reason, fix } = await driver.detect(context);
  if (!available) return { name, label, status: "not available", reason, ...(fix !== undefined && { fix }) };
  return { name, label, status: "selected", reason: forced === undefined ? reason : `asked for; ${reason}` };
}

/** @throws AmeshError `key_store_unknown` */
export function keyStoreDriver(name: string, drivers = keyStoreDrivers): KeyStoreDriver {
  const driver = drivers.find(({ info }) => info.name === name);
  if (driver !== undefined) return driver;
  const names = drivers.map(({ info }) => info.name).join(", ");
  throw new AmeshError("key_store_unknown", `${quoteForeign(name)} is no key store; there are: ${names}.`);
}
