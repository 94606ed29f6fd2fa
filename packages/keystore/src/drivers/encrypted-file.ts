import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { PrivateKey, type PublicKey, type Signable } from "@authmesh/core";
import { shareFlight } from "../internal/shared-flight.js";
import type { KeyStore, KeyStoreInfo, SoftwareKey } from "../key-store.js";
import type { Argon2Cost } from "../sealed-key.js";
import { AliasFiles, keyExists } from "./alias-files.js";
import { defaultCost, openKeyFile, parseKeyFile, publicKeyOf, sealKeyFile } from "./key-file.js";

export interface EncryptedFileOptions {
  /** The folder of the key files; it exists. */
  readonly dir: string;
  /** Asked for when a key is first made or used, and again after a failure. */
  readonly passphrase: () => Promise<string>;
  /** For keys made from now on. Default 64 MiB, 3 passes, 1 lane. */
  readonly cost?: Argon2Cost | undefined;
}

export const encryptedFileInfo: KeyStoreInfo = {
  name: "encrypted-file",
  label: "Encrypted file",
  protection:
    "The key is in a file, encrypted under a passphrase with Argon2id. A copy of the file alone is useless; whoever reads the passphrase too, or the memory of a process that uses the key, has the key.",
};

// Deriving a key costs 64 MiB and tens of milliseconds, so a process does it once for each content of a file. The
// passphrase is part of the name: a wrong one is refused even while the key is open.
const openedKeys = new Map<string, Promise<SoftwareKey>>();

/**
 * Keys in files `ALIAS.key`, each encrypted under a passphrase (docs/protocol.md, section 11), and what they
 * remember in `ALIAS.remembered`. The key is decrypted on first use and then stays in the memory of the process.
 */
export class EncryptedFileKeyStore implements KeyStore {
  readonly info = encryptedFileInfo;
  readonly #options: EncryptedFileOptions;
  readonly #files: AliasFiles;
  readonly #keys = new Map<string, Promise<SoftwareKey>>();

  constructor(options: EncryptedFileOptions) {
    this.#options = options;
    this.#files = new AliasFiles({ dir: options.dir, kind: "key", maxBytes: 4096 });
  }

  async generate(alias: string): Promise<PublicKey> {
    const key = { privateKey: PrivateKey.generate(), sealingSecret: randomBytes(32) };
    await this.importKey(alias, key);
    return key.privateKey.publicKey;
  }

  async importKey(alias: string, key: SoftwareKey): Promise<void> {
    const path = this.#files.path(alias);
    if (existsSync(path)) throw keyExists(path); // before a passphrase is asked for
    const passphrase = await this.#options.passphrase();
    const content = await sealKeyFile(key, passphrase, this.#options.cost ?? defaultCost);
    await this.#files.create(alias, content);
    this.#keys.set(alias, Promise.resolve(key));
  }

  async exportKey(alias: string): Promise<SoftwareKey> {
    const { privateKey, sealingSecret } = await this.#open(alias);
    return { privateKey, sealingSecret: Uint8Array.from(sealingSecret) };
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return publicKeyOf(parseKeyFile(this.#files.read(alias)));
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    return (await this.#open(alias)).privateKey.sign(message);
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    return Uint8Array.from((await this.#open(alias)).sealingSecret);
  }

  async delete(alias: string): Promise<void> {
    this.#files.delete(alias);
    this.#keys.delete(alias);
    for (const name of openedKeys.keys())
      if (name.startsWith(`${this.#files.path(alias)}\n`)) openedKeys.delete(name);
  }

  async remember(alias: string, bytes: Uint8Array): Promise<void> {
    await this.#files.remember(alias, bytes, async () => (await this.#open(alias)).sealingSecret);
  }

  async recall(alias: string): Promise<Uint8Array | undefined> {
    return this.#files.recall(alias, (await this.#open(alias)).sealingSecret);
  }

  #open(alias: string): Promise<SoftwareKey> {
    return shareFlight(this.#keys, alias, async () => {
      const bytes = this.#files.read(alias);
      const file = parseKeyFile(bytes);
      const passphrase = await this.#options.passphrase();
      const name = [this.#files.path(alias), digest(bytes), digest(passphrase)].join("\n");
      return shareFlight(openedKeys, name, () => openKeyFile(file, passphrase));
    });
  }
}

const digest = (data: Uint8Array | string) => createHash("sha256").update(data).digest("base64url");
