import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { AmeshError, type Failure, failure, utf8 } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { storageFailed } from "@authmesh/core/storage-error";
import { type AllowListContents, type AllowListDraft, maxAllowListBytes } from "./allow-list-format.js";
import { openAllowList, sealAllowList } from "./allow-list-seal.js";
import { allowListPath, identityPath, lockPath } from "./folder.js";
import type { Identity } from "./identity-file.js";
import { replaceFile } from "./internal/durable-file.js";
import { type HeldLock, withLock } from "./internal/folder-lock.js";
import type { KeyStore } from "./key-store.js";
import {
  type Memory,
  memoryOf,
  recallGeneration,
  rememberGeneration,
  rememberSuccessor,
} from "./remembered-generation.js";
import { sealKeyOf } from "./seal-key.js";

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
    this.#sealKey = sealKeyOf(secret, owner.identity.deviceId, "amesh/allow-list/1");
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
  read(path = this.path): AllowListContents | Failure {
    try {
      const bytes = readBounded(path, maxAllowListBytes);
      return bytes === undefined
        ? failure("allow_list_missing", `There is no ${path}.`)
        : openAllowList(bytes, this.#sealKey);
    } catch (error) {
      if (!(error instanceof AmeshError)) throw error;
      return this.#isHalfMoved(error) ? halfMoved : error.failure;
    }
  }

  #isHalfMoved({ code }: AmeshError): boolean {
    const { dir } = this.#owner;
    const marks = ["identity.next.json", "identity.previous.json"] as const;
    return (
      code === "allow_list_integrity_failure" && marks.every((mark) => existsSync(identityPath(dir, mark)))
    );
  }

  /** The generation that was remembered last. @throws AmeshError when the key store cannot be asked */
  recall(): Promise<number | Failure> {
    return recallGeneration(this.#memory, this.#owner.identity.keyAlias);
  }

  /** @throws AmeshError when the key store cannot be asked */
  remember(generation: number): Promise<void> {
    return rememberGeneration(this.#memory, this.#owner.identity.keyAlias, generation);
  }

  /** In the place of a generation. @throws AmeshError when the key store cannot be asked */
  rememberSuccessor(deviceId: string): Promise<void> {
    return rememberSuccessor(this.#memory, this.#owner.identity.keyAlias, deviceId);
  }

  /** As `recall`, where what cannot be told counts as nothing. */
  async lastRemembered(): Promise<number> {
    const remembered = await this.recall();
    return isFailure(remembered) ? 0 : remembered;
  }

  /** What the file says if it may be believed. @throws AmeshError as a reader refuses it, or the key store */
  async readLatest(): Promise<AllowListContents> {
    const present = this.read();
    if (isFailure(present)) throw new AmeshError(present);
    const remembered = await this.recall();
    const problem = isFailure(remembered) ? remembered : olderThan(remembered, present.generation);
    if (problem !== undefined) throw new AmeshError(problem);
    return present;
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
    await this.remember(generation);
    return written;
  }

  /**
   * Puts the latest list of this key back that `setAside` has moved, and the present file aside.
   *
   * @param now Unix seconds
   * @throws AmeshError `allow_list_missing` where there is none, `allow_list_rollback`, `storage_failed`
   */
  async takeBack(lock: HeldLock, now: number): Promise<void> {
    const remembered = await this.recall();
    if (isFailure(remembered)) throw new AmeshError(remembered);
    const isLatest = (read: AllowListContents | Failure) => !isFailure(read) && read.generation >= remembered;
    if (isLatest(this.read())) return;
    const own = readdirSync(this.#owner.dir).filter((name) => name.startsWith(asidePrefix));
    const path = own.map((name) => join(this.#owner.dir, name)).find((aside) => isLatest(this.read(aside)));
    if (path === undefined)
      throw new AmeshError(
        "allow_list_missing",
        `No list in ${this.#owner.dir} is the latest of ${this.deviceId}.`,
        { fix: "Restore the list from a backup as allow_list.json, then run the command again." },
      );
    await this.setAside(now);
    lock.assertHeld();
    await renameTo(path, this.path);
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
    await renameTo(this.path, aside);
    return aside;
  }
}

async function renameTo(path: string, other: string): Promise<void> {
  try {
    await rename(path, other);
  } catch (error) {
    throw storageFailed(path, error);
  }
}

const asidePrefix = "allow_list.json.set-aside-";

/** What mends any other seal that does not fit would lose the list here. */
const halfMoved = failure(
  "allow_list_integrity_failure",
  "Going over to a new key was interrupted: the allow list is sealed by that key already, or was changed.",
  "Run `amesh init --migrate --finish` again.",
);

export const isFailure = (read: unknown): read is Failure =>
  typeof read === "object" && read !== null && "code" in read;

/** Why a list is refused that is older than one seen before. */
export const olderThan = (seen: number, generation: number): Failure | undefined =>
  generation >= seen
    ? undefined
    : failure(
        "allow_list_rollback",
        `The allow list is of generation ${generation}; ${seen} was seen before.`,
      );
