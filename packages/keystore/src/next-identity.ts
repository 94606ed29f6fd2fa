import { AmeshError } from "@authmesh/core";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { lockPath } from "./folder.js";
import { type Identity, writeIdentity } from "./identity-file.js";
import { withLock } from "./internal/folder-lock.js";
import { ownAlias } from "./key-store.js";
import {
  detectKeyStore,
  type KeyStoreContext,
  type KeyStoreDriver,
  type KeyStoreFinding,
  keyStoreDriver,
} from "./key-store-drivers.js";
import { migrationAt } from "./migration.js";
import { contextOfNewKey, type NewKeyOptions, obtainKey } from "./new-key.js";
import { type OpenIdentity, type OpenIdentityOptions, openIdentityOf, proveKey } from "./open-identity.js";
import { passphraseWarning, type Warning } from "./warnings.js";

export interface NextIdentityOptions extends OpenIdentityOptions, NewKeyOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** The key that a folder moves to: it signs, and nothing uses it yet. */
export interface NextIdentity {
  readonly next: OpenIdentity;
  readonly findings: readonly KeyStoreFinding[];
  readonly warnings: readonly Warning[];
}

type Judge = (driver: KeyStoreDriver, findings: readonly KeyStoreFinding[]) => void;

/**
 * Makes the key that this machine moves to, under an alias of its own, and identity.next.json last of all; or goes
 * on with the one that is there. Its key has signed when this returns, so that no peer is told of a key that was
 * only written into a file.
 *
 * @param judge throws where the key store that was found will not do
 * @throws AmeshError `migration_unfinished`, and what `createIdentity` and `KeyStore.sign` throw
 */
export async function obtainNextIdentity(
  current: Identity,
  options: NextIdentityOptions & { readonly dir: string },
  judge: Judge = () => {},
): Promise<NextIdentity> {
  const { dir, env = process.env, backend } = options;
  const context = contextOfNewKey(dir, env, options);
  const known = migrationAt(dir, "none", "prepared", "finishing").next;
  const [driver, findings] = known ? foundBefore(known, backend) : await detectKeyStore(context, backend);
  if (known === undefined) judge(driver, findings);
  const { identity, adopted } = await withLock(lockPath(dir), async () => {
    const { next } = migrationAt(dir, "none", "prepared", "finishing");
    return next ? { identity: next, adopted: false } : make(current, driver, context, options);
  });
  const next = await openIdentityOf(identity, options);
  await proveKey(next);
  const warnings = [
    ...(identity.backend === encryptedFileInfo.name ? passphraseWarning(context) : []),
    ...(adopted ? [adoptionWarning(dir, identity)] : []),
  ];
  return { next, findings, warnings };
}

async function make(
  current: Identity,
  driver: KeyStoreDriver,
  context: KeyStoreContext,
  { now = Date.now }: NextIdentityOptions,
): Promise<{ identity: Identity; adopted: boolean }> {
  const alias = aliasAfter(current.keyAlias);
  const { publicKey, adopted } = await obtainKey(driver, context, alias);
  const identity: Identity = {
    ...current,
    deviceId: publicKey.deviceId,
    publicKey: publicKey.base64,
    backend: driver.info.name,
    keyAlias: alias,
    createdAt: Math.floor(now() / 1000),
  };
  await writeIdentity(context.dir, identity, "identity.next.json");
  return { identity, adopted };
}

/** "device", "device-2", "device-3": the same after a crash, and never that of a key which is still kept. */
function aliasAfter(alias: string): string {
  const number = new RegExp(`^${ownAlias}-([1-9][0-9]{0,8})$`).exec(alias)?.[1] ?? "1";
  return `${ownAlias}-${Number(number) + 1}`;
}

function foundBefore(
  { backend, deviceId }: Identity,
  asked: string | undefined,
): readonly [KeyStoreDriver, readonly KeyStoreFinding[]] {
  const driver = keyStoreDriver(backend);
  const { name, label } = driver.info;
  if (asked === undefined || asked === name)
    return [driver, [{ name, label, status: "selected", reason: "it holds the new key already" }]];
  throw new AmeshError("migration_unfinished", `The new key, ${deviceId}, is in ${label} already.`, {
    fix: "Leave --backend out, or remove that key with `amesh init --migrate --cancel`.",
  });
}

function adoptionWarning(dir: string, { deviceId, keyAlias }: Identity): Warning {
  const message = `A key was in ${dir} already as ${keyAlias}, that of ${deviceId}; amesh went on with it. That is right after an \`amesh init\` that was interrupted. Otherwise remove it with \`amesh init --migrate --cancel\` and begin again.`;
  return { code: "key_adopted", path: dir, message };
}
