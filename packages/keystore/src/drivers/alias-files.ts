import { rmSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { errorCode, storageFailed } from "@authmesh/core/storage-error";
import { createFile, replaceFile } from "../internal/durable-file.js";
import { aliasPattern } from "../key-store.js";
import { checkRemembered, readRemembered, writeRemembered } from "./remembered-file.js";

export interface AliasFilesOptions {
  readonly dir: string;
  /** The ending of key files: "key". */
  readonly kind: string;
  /** No key file is longer. */
  readonly maxBytes: number;
}

const maxRememberedBytes = 4096;

/** What key stores keep in the folder of an identity: `ALIAS.KIND` for the key, `ALIAS.remembered` beside it. */
export class AliasFiles {
  readonly #options: AliasFilesOptions;

  constructor(options: AliasFilesOptions) {
    this.#options = options;
  }

  /** @throws TypeError when `alias` is none */
  path(alias: string, kind = this.#options.kind): string {
    if (!aliasPattern.test(alias)) throw new TypeError("This is not an alias of a key.");
    return join(this.#options.dir, `${alias}.${kind}`);
  }

  /** @throws AmeshError `key_not_found`, `storage_failed` */
  read(alias: string): Uint8Array {
    const path = this.path(alias);
    const bytes = readBounded(path, this.#options.maxBytes);
    if (bytes === undefined) throw keyNotFound(path);
    return bytes;
  }

  /** @throws AmeshError `key_exists`, `storage_failed` */
  async create(alias: string, content: string): Promise<void> {
    const path = this.path(alias);
    if (!(await createFile(path, content))) throw keyExists(path);
  }

  /** @throws AmeshError `key_not_found`, `storage_failed` */
  delete(alias: string): void {
    const path = this.path(alias);
    try {
      rmSync(this.path(alias, "remembered"), { force: true }); // first: a crash in between leaves what can be deleted
      rmSync(path);
    } catch (error) {
      throw errorCode(error) === "ENOENT" ? keyNotFound(path) : storageFailed(path, error);
    }
  }

  /** @throws TypeError for more than 64 bytes; AmeshError `storage_failed` */
  async remember(alias: string, bytes: Uint8Array, sealingSecret: () => Promise<Uint8Array>): Promise<void> {
    checkRemembered(bytes);
    await replaceFile(this.path(alias, "remembered"), writeRemembered(bytes, await sealingSecret()));
  }

  /** @throws AmeshError `key_store_damaged`, `storage_failed` */
  recall(alias: string, sealingSecret: Uint8Array): Uint8Array | undefined {
    const bytes = readBounded(this.path(alias, "remembered"), maxRememberedBytes);
    return bytes === undefined ? undefined : readRemembered(bytes, sealingSecret);
  }
}

const keyNotFound = (path: string) => new AmeshError("key_not_found", `There is no ${path}.`);
export const keyExists = (path: string) => new AmeshError("key_exists", `There is a ${path} already.`);
