import { AmeshError, PublicKey } from "@authmesh/core";
import { encryptedFileInfo } from "./drivers/encrypted-file.js";
import { identityPath, lockPath } from "./folder.js";
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
import { isSucceededBy, nameSuccessor } from "./succession-file.js";
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

/** The key in use, and whether a key store will do for the one after it: the judge throws where not. */
interface Predecessor {
  /** Names the next key as its successor; absent when it cannot. */
  readonly key?: Pick<OpenIdentity, "publicKey" | "sign">;
  readonly judge: Judge;
}

const stages = ["none", "prepared", "finishing", "finished"] as const;

type Judge = (driver: KeyStoreDriver, findings: readonly KeyStoreFinding[]) => void;

/**
 * Makes the key that this machine moves to, under an alias of its own, and identity.next.json last of all; or goes
 * on with the one that is there. Its key has signed when this returns, so that no peer is told of a key that was
 * only written into a file.
 *
 * @throws AmeshError `migration_unfinished`, also for a next key that the one in use has not named, and what `createIdentity` and `KeyStore.sign` throw
 */
export async function obtainNextIdentity(
  current: Identity,
  options: NextIdentityOptions & { readonly dir: string },
  { key, judge }: Predecessor,
): Promise<NextIdentity> {
  const { dir, env = process.env, backend } = options;
  const context = contextOfNewKey(dir, env, options);
  const known = migrationAt(dir, ...stages).next;
  const [driver, findings] = known ? foundBefore(known, backend) : await detectKeyStore(context, backend);
  if (known === undefined) judge(driver, findings);
  const { identity, adopted } = await withLock(lockPath(dir), async () => {
    const { next } = migrationAt(dir, ...stages);
    if (next === undefined) return make(current, driver, context, key, options);
    const named = isSucceededBy(dir, PublicKey.fromBase64(current.publicKey), next.deviceId);
    if (key !== undefined && !named) throw notNamed(dir, next);
    return { identity: next, adopted: !named };
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
  key: Predecessor["key"],
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
  if (key !== undefined) await nameSuccessor(context.dir, key, publicKey, now);
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

/** Whoever can write files can put such a file there; the key in use is what says that it is this machine's. */
export function notNamed(dir: string, { deviceId }: Identity): AmeshError {
  const path = identityPath(dir, "identity.next.json");
  return new AmeshError(
    "migration_unfinished",
    `${path} names ${deviceId}, and the key in use has not named that one its successor.`,
    {
      fix: "After an `amesh init --replace-lost` that was interrupted, run that again. Otherwise find out who wrote the file, move it out of the way and begin again with `amesh init --migrate`.",
    },
  );
}

function adoptionWarning(dir: string, { deviceId, keyAlias }: Identity): Warning {
  const message = `A key was in ${dir} already as ${keyAlias}, that of ${deviceId}; amesh went on with it. That is right after an \`amesh init\` that was interrupted. Otherwise remove it with \`amesh init --migrate --cancel\` and begin again.`;
  return { code: "key_adopted", path: dir, message };
}
