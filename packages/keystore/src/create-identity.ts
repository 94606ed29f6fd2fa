import { existsSync, mkdirSync } from "node:fs";
import { AmeshError, checkAudience, friendlyName, type PublicKey, signableProbe } from "@authmesh/core";
import { setAudience } from "./allow-list-changes.js";
import { AllowListFile, type AllowListOwner, isFailure } from "./allow-list-file.js";
import { type AllowListContents, emptyAllowList } from "./allow-list-format.js";
import type { Pkcs11Place } from "./drivers/pkcs11.js";
import { type FolderOptions, identityFolder, identityPath, lockPath } from "./folder.js";
import { type Identity, writeIdentity } from "./identity-file.js";
import { inspectStorage } from "./inspect-storage.js";
import { type HeldLock, withLock } from "./internal/folder-lock.js";
import { storageFailed } from "./internal/storage-error.js";
import { type KeyStore, ownAlias } from "./key-store.js";
import {
  detectKeyStore,
  type KeyStoreContext,
  type KeyStoreDriver,
  type KeyStoreFinding,
} from "./key-store-drivers.js";
import { generatedPassphraseInUse, passphraseForNewKey, resolvePassphrase } from "./passphrase.js";
import type { Argon2Cost } from "./sealed-key.js";
import type { PromptSecret } from "./secret-source.js";

/** What a new allow list says from the start. */
export interface AllowListSettings {
  /** How many controllers this machine accepts, 1 to 1000. Default 1. */
  readonly maxControllers?: number | undefined;
  /** The hosts this machine answers to. Default none. */
  readonly audience?: readonly string[] | undefined;
}

export interface CreateIdentityOptions extends FolderOptions, AllowListSettings {
  readonly friendlyName: string;
  /** Name of the key store to use. Default: the best one found. */
  readonly backend?: string | undefined;
  /**
   * The key store itself, such as `createSignerKeyStore` makes: no other is looked for. Its key `device` is used if it
   * has one, else made. `openIdentity` needs to be given it, too.
   */
  readonly keyStore?: KeyStore | undefined;
  /** The token to make the key in; for the backend `pkcs11` alone. */
  readonly pkcs11?: Pkcs11Place | undefined;
  /** Asks a person for the PIN of a token, where it is nowhere else. */
  readonly promptSecret?: PromptSecret | undefined;
  /** What the key file costs to open. Default 64 MiB, 3 passes, 1 lane. */
  readonly argon2?: Argon2Cost | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Something to tell the operator, though all went well. */
export interface Warning {
  readonly code: "passphrase_generated" | "key_adopted" | "allow_list_set_aside" | "storage_exposed";
  readonly message: string;
  readonly path: string;
}

export interface CreatedIdentity {
  readonly dir: string;
  readonly identity: Identity;
  /** What was found of each key store, in the order in which they were tried; nothing where one was given. */
  readonly findings: readonly KeyStoreFinding[];
  readonly warnings: readonly Warning[];
}

/**
 * Makes this machine's identity: key, allow list and, last of all, identity.json (docs/protocol.md, section 11).
 *
 * Never overwrites, and asks for nothing but the PIN of a token. identity.json is what makes an identity exist:
 * killed before it is there, the next call goes on with the key it finds, and says so, and with the list if that is
 * the latest one the key store remembers.
 *
 * @throws AmeshError `identity_exists`, `invalid_name`, `key_store_unknown`, `key_store_unavailable`,
 * `passphrase_missing`, `storage_failed`, `allow_list_locked`; `passphrase_wrong` when a key that an interrupted
 * call left was made with another passphrase; what the key store's `generate` throws, or `sign` of one that is given
 */
export async function createIdentity(options: CreateIdentityOptions): Promise<CreatedIdentity> {
  const { env = process.env, now = Date.now } = options;
  if (options.keyStore && options.backend !== undefined)
    throw new TypeError("Give createIdentity a key store or the name of one, not both.");
  const settings = checkSettings(options);
  checkPlace(options);
  const name = friendlyName(options.friendlyName);
  const dir = identityFolder(options);
  refuseExisting(dir);
  const context: KeyStoreContext = {
    dir,
    env,
    passphrase: () => passphraseForNewKey({ dir, env }),
    promptSecret: options.promptSecret,
    argon2: options.argon2,
    pkcs11: options.pkcs11,
  };
  const [driver, findings] = options.keyStore
    ? [given(options.keyStore), []]
    : await detectKeyStore(context, options.backend);
  makeFolder(dir);
  return withLock(lockPath(dir), async (lock) => {
    refuseExisting(dir);
    const { keyStore, publicKey, adopted } = await obtainKey(driver, context, ownAlias);
    const identity: Identity = {
      version: 1,
      deviceId: publicKey.deviceId,
      publicKey: publicKey.base64,
      friendlyName: name,
      backend: driver.info.name,
      keyAlias: ownAlias,
      createdAt: Math.floor(now() / 1000),
    };
    const aside = await writeFirstAllowList(lock, { dir, identity, keyStore }, settings);
    const leftBehind = adopted && options.keyStore === undefined ? identity : undefined;
    const warnings = warningsOf(context, leftBehind, aside);
    lock.assertHeld();
    await writeIdentity(dir, identity); // nothing may fail after this
    return { dir, identity, findings, warnings };
  });
}

/** A key store that is given is there, and works if its key signs. */
const given = (keyStore: KeyStore): Pick<KeyStoreDriver, "info" | "open"> => ({
  info: keyStore.info,
  open: () => keyStore,
});

/** The key that an interrupted call left, or that was made elsewhere; else the one that is put there now. */
export async function obtainKey(
  driver: Pick<KeyStoreDriver, "info" | "open">,
  context: KeyStoreContext,
  alias: string,
  put = (keyStore: KeyStore) => keyStore.generate(alias),
): Promise<{ keyStore: KeyStore; publicKey: PublicKey; adopted: boolean }> {
  const { dir, env } = context;
  const present = driver.open({ ...context, passphrase: () => resolvePassphrase({ dir, env }) });
  try {
    const publicKey = await present.publicKey(alias);
    await present.sign(alias, signableProbe());
    return { keyStore: present, publicKey, adopted: true };
  } catch (error) {
    if (!(error instanceof AmeshError && error.code === "key_not_found")) throw error;
  }
  const keyStore = driver.open(context);
  return { keyStore, publicKey: await put(keyStore), adopted: false };
}

/**
 * Goes on with the latest list of the key; any other is kept under another name, whose path is returned. Where the
 * key store remembers nothing, nobody can tell the latest from an older one in which a revoked device is back: only
 * what an interrupted call wrote, a list that says nothing yet, is gone on with.
 */
export async function writeFirstAllowList(
  lock: HeldLock,
  owner: AllowListOwner & { readonly identity: Identity },
  settings: AllowListSettings,
): Promise<string | undefined> {
  const file = await AllowListFile.of(owner);
  const floor = await file.lastRemembered();
  const present = file.read();
  const fits = !isFailure(present) && (floor === 0 ? isUntouched(present) : present.generation >= floor);
  const { createdAt } = owner.identity;
  const aside = fits ? undefined : await file.setAside(createdAt);
  const draft = fits ? present : emptyAllowList(settings.maxControllers ?? 1);
  // A list that is taken up keeps what it says, unless it is told otherwise.
  if (settings.maxControllers !== undefined) draft.maxControllers = settings.maxControllers;
  if (settings.audience !== undefined) setAudience(draft, settings.audience);
  const last = fits && floor > 0 ? present.generation : floor;
  await file.write(lock, draft, last + 1, createdAt);
  return aside;
}

/** What an interrupted call wrote: a list that says nothing yet. */
export const isUntouched = ({ generation, devices, revoked, consumed }: AllowListContents) =>
  generation === 1 && devices.length + revoked.length + consumed.length === 0;

/** @throws AmeshError `invalid_option` for a place on a token where no token is to be used */
export function checkPlace({ backend, pkcs11 }: Pick<CreateIdentityOptions, "backend" | "pkcs11">): void {
  if (pkcs11 !== undefined && backend !== "pkcs11")
    throw new AmeshError("invalid_option", "A module or a token is for the key store pkcs11 alone.", {
      fix: "Add --backend pkcs11, or leave --module and --token out.",
    });
}

/** @throws TypeError */
export function checkSettings({ maxControllers, audience }: AllowListSettings): AllowListSettings {
  const asked = maxControllers ?? 1;
  if (!Number.isInteger(asked) || asked < 1 || asked > 1000)
    throw new TypeError(`maxControllers must be an integer from 1 to 1000; it is ${maxControllers}.`);
  return { maxControllers, audience: audience && checkAudience(audience) };
}

/** @throws AmeshError `identity_exists` */
export function refuseExisting(dir: string): void {
  const path = identityPath(dir);
  if (existsSync(path)) throw new AmeshError("identity_exists", `There is a ${path} already.`);
}

export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailed(dir, error);
  }
}

export function warningsOf(
  { dir, env }: KeyStoreContext,
  adopted?: Identity,
  aside?: string,
): readonly Warning[] {
  const warnings: Warning[] = [...passphraseWarning({ dir, env })];
  if (adopted !== undefined) {
    const message = `A key was in ${dir} already, that of ${adopted.deviceId}; amesh went on with it. That is right after an \`amesh init\` that was interrupted. Otherwise find out who removed identity.json, or move the folder away and run \`amesh init\` again.`;
    warnings.push({ code: "key_adopted", path: dir, message });
  }
  if (aside !== undefined) {
    const message = `There was an allow list that does not belong to this key, or that cannot be shown to be its latest; it is kept as ${aside} and nobody in it is accepted.`;
    warnings.push({ code: "allow_list_set_aside", path: aside, message });
  }
  for (const { path, problem, fix } of inspectStorage(dir)) {
    if (path === dir)
      warnings.push({ code: "storage_exposed", path, message: `${path}: ${problem}. Run \`${fix}\`.` });
  }
  return warnings;
}

/** A warning where the passphrase lies beside the key, else none. */
export function passphraseWarning(where: Pick<KeyStoreContext, "dir" | "env">): readonly Warning[] {
  const path = generatedPassphraseInUse(where);
  if (path === undefined) return [];
  const message = `The key is encrypted under a generated passphrase that is kept in ${path}. That protects a copy of the key file alone; it does not protect against whoever can read this folder. Set AUTH_MESH_PASSPHRASE or AMESH_PASSPHRASE_FILE beforehand to keep the passphrase elsewhere.`;
  return [{ code: "passphrase_generated", path, message }];
}
