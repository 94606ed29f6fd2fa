import { existsSync } from "node:fs";
import type { PublicKey, Signable } from "@authmesh/core";
import { shareFlight } from "../internal/shared-flight.js";
import { notAvailable, Trouble } from "../internal/trouble.js";
import type { KeyStore, KeyStoreDetection, KeyStoreInfo } from "../key-store.js";
import { Enclave, type EnclaveOptions } from "../secure-enclave/enclave.js";
import { AliasFiles, keyExists } from "./alias-files.js";
import { parseSecureEnclaveFile, writeSecureEnclaveFile } from "./secure-enclave-file.js";

export interface SecureEnclaveOptions extends EnclaveOptions {
  /** The folder of the key files; it exists. */
  readonly dir: string;
}

export const secureEnclaveInfo: KeyStoreInfo = {
  name: "secure-enclave",
  label: "Secure Enclave",
  protection:
    "The key was made in the Mac's Secure Enclave and never leaves it. Copies of this folder or of the disk are useless on other machines; whoever may run programs on this Mac and read this folder can sign here, but not take the key along. It needs macOS and a signed helper, and this release was not tested on a Mac.",
};

/**
 * Keys in the Secure Enclave of a Mac, each wrapped by it in a file `ALIAS.secure-enclave` (docs/protocol.md, section
 * 11), and what they remember in `ALIAS.remembered`. A helper that is started for each use speaks to the Enclave. The
 * sealing secret, once derived, stays in the memory of the process; the key never is there.
 */
export class SecureEnclaveKeyStore implements KeyStore {
  readonly info = secureEnclaveInfo;
  readonly #files: AliasFiles;
  readonly #enclave: Enclave;
  readonly #secrets = new Map<string, Promise<Uint8Array>>();

  constructor(options: SecureEnclaveOptions) {
    this.#files = new AliasFiles({ dir: options.dir, kind: "secure-enclave", maxBytes: 8192 });
    this.#enclave = new Enclave(options);
  }

  async generate(alias: string): Promise<PublicKey> {
    const path = this.#files.path(alias);
    if (existsSync(path)) throw keyExists(path); // before the helper is started three times
    const { secret, ...file } = await catalogued(this.#enclave.make());
    secret.fill(0);
    await this.#files.create(alias, writeSecureEnclaveFile(file));
    return file.publicKey;
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return parseSecureEnclaveFile(this.#files.read(alias)).publicKey;
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    return catalogued(this.#enclave.sign(parseSecureEnclaveFile(this.#files.read(alias)), message));
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    return Uint8Array.from(await this.#unseal(alias));
  }

  async delete(alias: string): Promise<void> {
    this.#files.delete(alias);
    this.#secrets.clear();
  }

  remember(alias: string, bytes: Uint8Array): Promise<void> {
    return this.#files.remember(alias, bytes, () => this.#unseal(alias));
  }

  async recall(alias: string): Promise<Uint8Array | undefined> {
    return this.#files.recall(alias, await this.#unseal(alias));
  }

  async describe(): Promise<string> {
    const version = await catalogued(this.#enclave.probe());
    return `helper ${version} (needs macOS and a signed build; this release was not tested on a Mac)`;
  }

  /** Kept under what the file says of it, so that another file under the same alias has another secret. */
  async #unseal(alias: string): Promise<Uint8Array> {
    const file = parseSecureEnclaveFile(this.#files.read(alias));
    return shareFlight(this.#secrets, writeSecureEnclaveFile(file), () =>
      catalogued(this.#enclave.sealingSecret(file, file.check)),
    );
  }
}

async function catalogued<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Trouble ? error.toAmeshError("The Secure Enclave cannot be used") : error;
  }
}

/** Available is an Enclave whose helper is built and signed, and that makes a key. */
export async function detectSecureEnclave(options: EnclaveOptions): Promise<KeyStoreDetection> {
  try {
    return { available: true, reason: `helper ${await new Enclave(options).probe()}` };
  } catch (error) {
    return notAvailable(error);
  }
}
