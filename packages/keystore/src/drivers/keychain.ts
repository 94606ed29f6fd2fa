import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  AmeshError,
  decodeUtf8,
  PrivateKey,
  type PublicKey,
  type Signable,
  toBase64Url,
  utf8,
} from "@authmesh/core";
import type { Environment } from "../folder.js";
import { shareFlight } from "../internal/shared-flight.js";
import { notAvailable, Trouble } from "../internal/trouble.js";
import type { KeyStore, KeyStoreDetection, KeyStoreInfo, SoftwareKey } from "../key-store.js";
import { type Keychain, useKeychain } from "../keychain/keychain.js";
import { keychainLabel } from "../keychain/trouble.js";
import { AliasFiles, keyExists } from "./alias-files.js";
import {
  type KeychainFile,
  newKeychainFile,
  parseKeychainFile,
  readKeyItem,
  readMemoryItem,
  writeKeyItem,
  writeMemoryItem,
} from "./keychain-file.js";
import { checkRemembered } from "./remembered-file.js";

export interface KeychainOptions {
  /** The folder of the key files; it exists. */
  readonly dir: string;
  /** On Linux it says where the Secret Service is: `DBUS_SESSION_BUS_ADDRESS`. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** How long one use may take, waiting for others and for a person included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export const keychainInfo: KeyStoreInfo = {
  name: "keychain",
  label: keychainLabel,
  protection:
    "The key is in the keychain of the user who is logged in, encrypted while that is locked. A copy of this folder is useless without it; other programs of the same user can read the key while it is unlocked, and take it along.",
};

/**
 * Keys in the keychain of the operating system, and what they remember there too; a file `ALIAS.keychain` names the
 * item (docs/protocol.md, section 11). The private key is read for each signature and not kept. The sealing secret,
 * once read, stays in the memory of the process.
 */
export class KeychainKeyStore implements KeyStore {
  readonly info = keychainInfo;
  readonly #files: AliasFiles;
  readonly #env: Environment;
  readonly #timeoutMs: number;
  readonly #secrets = new Map<string, Promise<Uint8Array>>();

  constructor({ dir, env = process.env, timeoutMs = 10_000 }: KeychainOptions) {
    this.#files = new AliasFiles({ dir, kind: "keychain", maxBytes: 4096 });
    this.#env = env;
    this.#timeoutMs = timeoutMs;
  }

  async generate(alias: string): Promise<PublicKey> {
    const key = { privateKey: PrivateKey.generate(), sealingSecret: randomBytes(32) };
    await this.importKey(alias, key);
    return key.privateKey.publicKey;
  }

  /** First the item, then the file: what nothing names harms nobody, and a name of nothing is a lost key. */
  async importKey(alias: string, key: SoftwareKey): Promise<void> {
    const path = this.#files.path(alias);
    if (existsSync(path)) throw keyExists(path); // before anything is put into the keychain
    const { keyAccount, content } = newKeychainFile(key.privateKey.publicKey);
    await this.#use(async (keychain) => {
      await keychain.write(keyAccount, writeKeyItem(key));
      try {
        await this.#files.create(alias, content);
      } catch (error) {
        await keychain.remove(keyAccount).catch(() => undefined); // must not hide why
        throw error;
      }
    });
  }

  exportKey(alias: string): Promise<SoftwareKey> {
    return this.#withKey(alias, (key) => key);
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return this.#file(alias).publicKey;
  }

  sign(alias: string, message: Signable): Promise<Uint8Array> {
    return this.#withKey(alias, ({ privateKey }) => privateKey.sign(message));
  }

  /** Kept under the name of the item, so that another file under the same alias has another secret. */
  async sealingSecret(alias: string): Promise<Uint8Array> {
    const { keyAccount } = this.#file(alias);
    const secret = await shareFlight(this.#secrets, keyAccount, () =>
      this.#withKey(alias, ({ sealingSecret }) => sealingSecret),
    );
    return Uint8Array.from(secret);
  }

  /** The file goes last, so that what was interrupted can be done again. */
  async delete(alias: string): Promise<void> {
    const { keyAccount, memoryAccount } = this.#file(alias);
    await this.#use(async (keychain) => {
      await keychain.remove(memoryAccount);
      await keychain.remove(keyAccount);
    });
    this.#files.delete(alias);
    this.#secrets.delete(keyAccount);
  }

  async remember(alias: string, bytes: Uint8Array): Promise<void> {
    checkRemembered(bytes);
    await this.#withKey(alias, (_, keychain, { memoryAccount }) =>
      keychain.write(memoryAccount, writeMemoryItem(bytes)),
    );
  }

  recall(alias: string): Promise<Uint8Array | undefined> {
    return this.#withKey(alias, async (_, keychain, { memoryAccount }) => {
      const bytes = await keychain.read(memoryAccount);
      return bytes && readMemoryItem(bytes);
    });
  }

  #file(alias: string): KeychainFile {
    return parseKeychainFile(this.#files.read(alias));
  }

  /** Every use shows first that it is the keychain that holds the key. */
  async #withKey<T>(
    alias: string,
    work: (key: SoftwareKey, keychain: Keychain, file: KeychainFile) => T | Promise<T>,
  ): Promise<T> {
    const file = this.#file(alias);
    return this.#use(async (keychain) => {
      const bytes = await keychain.read(file.keyAccount);
      if (bytes === undefined) throw itemGone(file);
      const key = readKeyItem(bytes, file.publicKey);
      bytes.fill(0);
      return work(key, keychain, file);
    });
  }

  async #use<T>(work: (keychain: Keychain) => Promise<T>): Promise<T> {
    try {
      return await useKeychain(this.#env, this.#timeoutMs, work);
    } catch (error) {
      throw error instanceof Trouble ? error.toAmeshError(`The ${keychainLabel} cannot be used`) : error;
    }
  }
}

const itemGone = ({ keyAccount }: KeychainFile) =>
  new AmeshError("key_store_changed", `The ${keychainLabel} holds no item "${keyAccount}" of amesh.`, {
    fix: "Log in as the user whose keychain made the key, or put its item back. If it was removed, the key is gone: run `amesh init --replace-lost --backend keychain`.",
  });

/** Available is a keychain that keeps something and gives it back. */
export async function detectKeychain(env: Environment, timeoutMs = 10_000): Promise<KeyStoreDetection> {
  const account = `probe.${toBase64Url(randomBytes(16))}`;
  try {
    const kept = await useKeychain(env, timeoutMs, async (keychain) => {
      await keychain.write(account, utf8(account));
      const read = await keychain.read(account);
      await keychain.remove(account);
      return read !== undefined && decodeUtf8(read) === account;
    });
    return { available: kept, reason: kept ? "it keeps secrets" : "what it keeps it does not give back" };
  } catch (error) {
    return notAvailable(error);
  }
}
