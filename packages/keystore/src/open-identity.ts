import { AmeshError, quoteForeign, signableProbe } from "@authmesh/core";
import { AllowList, type AllowListOptions } from "./allow-list.js";
import { type Environment, type FolderOptions, identityFolder } from "./folder.js";
import { type Identity, readIdentity } from "./identity-file.js";
import type { KeyStore } from "./key-store.js";
import { keyStoreDrivers } from "./key-store-drivers.js";
import { type DeviceKey, openKey } from "./open-key.js";
import { resolvePassphrase } from "./passphrase.js";
import type { PromptSecret } from "./secret-source.js";
import { isSucceededBy } from "./succession-file.js";

export interface OpenIdentityOptions extends FolderOptions {
  /** The key store that `createIdentity` was given. Default: the one of amesh's own that identity.json names. */
  readonly keyStore?: KeyStore | undefined;
  /** Asks a person for the secret that opens the key store when it is nowhere else. */
  readonly promptSecret?: PromptSecret | undefined;
}

/** This machine's identity, ready for use. */
export interface OpenIdentity extends DeviceKey {
  readonly dir: string;
  readonly identity: Identity;
  /** Whether this key has named that device as the one in its place, itself or by way of others. Reads a file. */
  isSucceededBy(deviceId: string): boolean;
  /** The list of devices this machine accepts. */
  openAllowList(options?: AllowListOptions): Promise<AllowList>;
}

/**
 * Opens the identity of a folder (docs/protocol.md, section 11). One code for command line and SDK: it finds the
 * folder, the key store and, when the key is first used, the passphrase.
 *
 * @throws AmeshError `identity_not_found`, `identity_damaged`, `key_store_unknown`, `key_not_found`,
 * `key_store_damaged`, `key_mismatch`, also where AMESH_DEVICE_ID names another device, `storage_failed`
 */
export async function openIdentity(options: OpenIdentityOptions = {}): Promise<OpenIdentity> {
  const dir = identityFolder(options);
  const { identity } = readIdentity(dir);
  assertExpected(identity, options.env);
  const given = options.keyStore?.info.name ?? identity.backend;
  if (given !== identity.backend)
    throw new AmeshError(
      "key_mismatch",
      `identity.json names the key store ${quoteForeign(identity.backend)}; the one that was given is ${given}.`,
      { fix: "Give openIdentity a key store of the name that createIdentity was given." },
    );
  return openIdentityOf(identity, { ...options, dir });
}

/** Whoever can write files can put another identity there, key and all; not into the environment. */
function assertExpected({ deviceId }: Identity, env: Environment = process.env): void {
  const expected = env["AMESH_DEVICE_ID"];
  if (!expected || expected === deviceId) return;
  throw new AmeshError(
    "key_mismatch",
    `The folder holds the identity ${deviceId}; AMESH_DEVICE_ID expects ${quoteForeign(expected)}.`,
    {
      fix: "If this machine has moved to a new key, set AMESH_DEVICE_ID anew. Otherwise find out who wrote it.",
    },
  );
}

/** As `openIdentity`, of an identity that may not be the one in use. */
export async function openIdentityOf(
  identity: Identity,
  options: OpenIdentityOptions & { readonly dir: string },
): Promise<OpenIdentity> {
  const key = await openKey(openKeyStoreOf(identity, options), identity.keyAlias);
  if (key.publicKey.base64 !== identity.publicKey)
    throw new AmeshError("key_mismatch", `The key store holds the key of ${key.publicKey.deviceId}.`);
  const open: OpenIdentity = {
    ...key,
    dir: options.dir,
    identity,
    isSucceededBy: (deviceId) => isSucceededBy(options.dir, key.publicKey, deviceId),
    openAllowList: (listOptions) => AllowList.open(open, listOptions),
  };
  return open;
}

/** The store that was given, if it is the identity's, else one of amesh's own. @throws AmeshError `key_store_unknown` */
export function openKeyStoreOf(
  { backend }: Pick<Identity, "backend">,
  { dir, env = process.env, keyStore, promptSecret }: OpenIdentityOptions & { readonly dir: string },
): KeyStore {
  if (keyStore?.info.name === backend) return keyStore;
  const driver = keyStoreDrivers.find(({ info }) => info.name === backend);
  const passphrase = () => resolvePassphrase({ dir, env, promptSecret });
  if (driver !== undefined) return driver.open({ dir, env, passphrase, promptSecret });
  throw new AmeshError(
    "key_store_unknown",
    `The key is in ${quoteForeign(backend)}, no key store of amesh's own.`,
    {
      fix: "Use this identity in the program that has its key store: openIdentity({ keyStore }).",
    },
  );
}

/** Has the key sign something: what is written in files proves nothing. Throws as `sign` does, and `key_mismatch`. */
export async function proveKey({ publicKey, sign }: Pick<OpenIdentity, "publicKey" | "sign">): Promise<void> {
  const probe = signableProbe();
  if (publicKey.verify(probe, await sign(probe))) return;
  throw new AmeshError("key_mismatch", "The key store signs, but not with this identity's key.");
}
