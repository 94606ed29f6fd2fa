import { createHash, randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AmeshError, PrivateKey, type PublicKey, type Signable } from "@authmesh/core";
import { readBounded } from "../internal/bounded-read.js";
import { createFile, replaceFile } from "../internal/durable-file.js";
import { shareFlight } from "../internal/shared-flight.js";
import { errorCode, storageFailed } from "../internal/storage-error.js";
import { aliasPattern, type KeyStore, type KeyStoreInfo } from "../key-store.js";
import {
  type Argon2Cost,
  defaultCost,
  type KeyFileSecrets,
  openKeyFile,
  parseKeyFile,
  publicKeyOf,
  sealKeyFile,
} from "./key-file.js";
import { readRemembered, writeRemembered } from "./remembered-file.js";

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

/** Long enough for any file this driver writes. */
const maxFileBytes = 4096;

// Deriving a key costs 64 MiB and tens of milliseconds, so a process does it once for each content of a file. The
// passphrase is part of the name: a wrong one is refused even while the key is open.
const openedKeys = new Map<string, Promise<KeyFileSecrets>>();

/**
 * Keys in files `ALIAS.key`, each encrypted under a passphrase (docs/protocol.md, section 11), and what they
 * remember in `ALIAS.remembered`. The key is decrypted on first use and then stays in the memory of the process.
 */
export class EncryptedFileKeyStore implements KeyStore {
  readonly info = encryptedFileInfo;
  readonly #options: EncryptedFileOptions;
  readonly #keys = new Map<string, Promise<KeyFileSecrets>>();

  constructor(options: EncryptedFileOptions) {
    this.#options = options;
  }

  async generate(alias: string): Promise<PublicKey> {
    const path = this.#path(alias, "key");
    if (existsSync(path)) throw keyExists(path); // before a passphrase is asked for
    const secrets = { privateKey: PrivateKey.generate(), sealingSecret: randomBytes(32) };
    const passphrase = await this.#options.passphrase();
    const content = await sealKeyFile(secrets, passphrase, this.#options.cost ?? defaultCost);
    if (!(await createFile(path, content))) throw keyExists(path);
    this.#keys.set(alias, Promise.resolve(secrets));
    return secrets.privateKey.publicKey;
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return publicKeyOf(parseKeyFile(this.#read(alias)));
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    return (await this.#open(alias)).privateKey.sign(message);
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    return Uint8Array.from((await this.#open(alias)).sealingSecret);
  }

  async delete(alias: string): Promise<void> {
    const path = this.#path(alias, "key");
    try {
      rmSync(path);
      rmSync(this.#path(alias, "remembered"), { force: true });
    } catch (error) {
      throw errorCode(error) === "ENOENT" ? keyNotFound(path) : storageFailed(path, error);
    }
    this.#keys.delete(alias);
    for (const name of openedKeys.keys()) if (name.startsWith(`${path}\n`)) openedKeys.delete(name);
  }

  async remember(alias: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 64) throw new TypeError("A key store remembers at most 64 bytes.");
    const { sealingSecret } = await this.#open(alias);
    await replaceFile(this.#path(alias, "remembered"), writeRemembered(bytes, sealingSecret));
  }

  async recall(alias: string): Promise<Uint8Array | undefined> {
    const { sealingSecret } = await this.#open(alias);
    const bytes = readBounded(this.#path(alias, "remembered"), maxFileBytes);
    return bytes === undefined ? undefined : readRemembered(bytes, sealingSecret);
  }

  #open(alias: string): Promise<KeyFileSecrets> {
    return shareFlight(this.#keys, alias, async () => {
      const bytes = this.#read(alias);
      const file = parseKeyFile(bytes);
      const passphrase = await this.#options.passphrase();
      const name = [this.#path(alias, "key"), digest(bytes), digest(passphrase)].join("\n");
      return shareFlight(openedKeys, name, () => openKeyFile(file, passphrase));
    });
  }

  #read(alias: string): Uint8Array {
    const path = this.#path(alias, "key");
    const bytes = readBounded(path, maxFileBytes);
    if (bytes === undefined) throw keyNotFound(path);
    return bytes;
  }

  #path(alias: string, kind: "key" | "remembered"): string {
    if (!aliasPattern.test(alias)) throw new TypeError("This is not an alias of a key.");
    return join(this.#options.dir, `${alias}.${kind}`);
  }
}

const digest = (data: Uint8Array | string) => createHash("sha256").update(data).digest("base64url");

const keyNotFound = (path: string) => new AmeshError("key_not_found", `There is no ${path}.`);
const keyExists = (path: string) => new AmeshError("key_exists", `There is a ${path} already.`);
