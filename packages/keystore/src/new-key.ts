import { AmeshError, type PublicKey, signableProbe } from "@authmesh/core";
import type { Pkcs11Place } from "./drivers/pkcs11.js";
import type { Environment } from "./folder.js";
import type { KeyStore } from "./key-store.js";
import type { KeyStoreContext, KeyStoreDriver } from "./key-store-drivers.js";
import { passphraseForNewKey, resolvePassphrase } from "./passphrase.js";
import type { Argon2Cost } from "./sealed-key.js";
import type { PromptSecret } from "./secret-source.js";

/** Where a new key is to be made, and how. */
export interface NewKeyOptions {
  /** Name of the key store to use. Default: the best one found. */
  readonly backend?: string | undefined;
  /** The token to make the key in; for the backend `pkcs11` alone. */
  readonly pkcs11?: Pkcs11Place | undefined;
  /** Asks a person for the PIN of a token, where it is nowhere else. */
  readonly promptSecret?: PromptSecret | undefined;
  /** What the key file costs to open. Default 64 MiB, 3 passes, 1 lane. */
  readonly argon2?: Argon2Cost | undefined;
}

/**
 * What the drivers are given to make a key in a folder.
 *
 * @throws AmeshError `invalid_option` for a place on a token where no token is to be used
 */
export function contextOfNewKey(dir: string, env: Environment, options: NewKeyOptions): KeyStoreContext {
  const { backend, pkcs11, promptSecret, argon2 } = options;
  if (pkcs11 !== undefined && backend !== "pkcs11")
    throw new AmeshError("invalid_option", "A module or a token is for the key store pkcs11 alone.", {
      fix: "Add --backend pkcs11, or leave --module and --token out.",
    });
  return { dir, env, passphrase: () => passphraseForNewKey({ dir, env }), promptSecret, argon2, pkcs11 };
}

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
