import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { AmeshError, type Failure, failure, utf8 } from "@authmesh/core";
import { type AllowListContents, type AllowListDraft, maxAllowListBytes } from "./allow-list-format.js";
import { openAllowList, sealAllowList, sealKeyOf } from "./allow-list-seal.js";
import { allowListPath, lockPath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { readBounded } from "./internal/bounded-read.js";
import { replaceFile } from "./internal/durable-file.js";
import { type HeldLock, withLock } from "./internal/folder-lock.js";
import { storageFailed } from "./internal/storage-error.js";
import type { KeyStore } from "./key-store.js";
import { type Memory, memoryOf, recallGeneration, rememberGeneration } from "./remembered-generation.js";

/** Whose allow list it is. An open identity is one. */
export interface AllowListOwner {
  readonly dir: string;
  readonly identity: Pick<Identity, "deviceId" | "keyAlias">;
  readonly keyStore: KeyStore;
}

/** allow_list.json on the disk, and the generation of it that is remembered beside it. */
export class AllowListFile {
  readonly path: string;
  readonly #owner: AllowListOwner;
  readonly #sealKey: Uint8Array;
  readonly #memory: Memory;

  private constructor(owner: AllowListOwner, secret: Uint8Array) {
    this.path = allowListPath(owner.dir);
    this.#owner = owner;
    this.#sealKey = sealKeyOf(secret, owner.identity.deviceId);
    this.#memory = memoryOf(owner.keyStore, owner.dir, secret);
  }

  /** @throws AmeshError when the key store cannot give the sealing secret */
  static async of(owner: AllowListOwner): Promise<AllowListFile> {
    return new AllowListFile(owner, await owner.keyStore.sealingSecret(owner.identity.keyAlias));
  }

  /** Whose list it is. */
  get deviceId(): string {
    return this.#owner.identity.deviceId;
  }

  /** What the file says, if its seal fits; whether it is the latest is another question. */
  read(): AllowListContents | Failure {
    try {
      const bytes = readBounded(this.path, maxAllowListBytes);
      return bytes === undefined
        ? failure("allow_list_missing", `There is no ${this.path}.`)
        : openAllowList(bytes, this.#sealKey);
    } catch (error) {
      if (error instanceof AmeshError) return error.failure;
      throw error;
    }
  }

  /** The generation that was remembered last. @throws AmeshError when the key store cannot be asked */
  recall(): Promise<number | Failure> {
    return recallGeneration(this.#memory, this.#owner.identity.keyAlias);
  }

  /** @throws AmeshError `allow_list_locked`, `storage_failed` */
  locked<T>(work: (lock: HeldLock) => Promise<T>): Promise<T> {
    return withLock(lockPath(this.#owner.dir), work);
  }

  /**
   * Writes the file, then has its generation remembered: after a crash in between the file is ahead, which is
   * allowed, never behind.
   *
   * @param updatedAt Unix seconds
   * @returns what was written, a copy
   * @throws AmeshError `storage_failed`, `allow_list_locked`, `allow_list_full`; `allow_list_damaged` for what could
   * not be read back
   */
  async write(
    lock: HeldLock,
    draft: AllowListDraft,
    generation: number,
    updatedAt: number,
  ): Promise<AllowListContents> {
    const { audience, maxControllers, devices, revoked, consumed } = draft;
    const text = sealAllowList(
      {
        version: 1,
        generation,
        ...(audience && { audience }),
        maxControllers,
        devices,
        revoked,
        consumed,
        updatedAt,
      },
      this.#sealKey,
    );
    const bytes = utf8(text);
    if (bytes.length > maxAllowListBytes)
      throw new AmeshError("allow_list_full", `The allow list would have ${bytes.length} bytes.`);
    const written = openAllowList(bytes, this.#sealKey);
    await replaceFile(this.path, text, () => lock.assertHeld());
    await rememberGeneration(this.#memory, this.#owner.identity.keyAlias, generation);
    return written;
  }

  /**
   * Moves a file that cannot be used out of the way, so that nothing is lost.
   *
   * @param now Unix seconds, for its new name
   * @returns the new path; undefined when there was no file
   */
  async setAside(now: number): Promise<string | undefined> {
    if (!existsSync(this.path)) return undefined;
    const aside = `${this.path}.set-aside-${now}-${randomBytes(2).toString("hex")}`;
    try {
      await rename(this.path, aside);
      return aside;
    } catch (error) {
      throw storageFailed(this.path, error);
    }
  }
}

export const isFailure = (read: unknown): read is Failure =>
  typeof read === "object" && read !== null && "code" in read;
