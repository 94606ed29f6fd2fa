import { createHmac, timingSafeEqual } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { storageFailed } from "@authmesh/core/storage-error";
import type { AllowListOwner } from "./allow-list-file.js";
import { removeFile, replaceFile } from "./internal/durable-file.js";
import { withLock } from "./internal/folder-lock.js";
import { sealKeyOf } from "./seal-key.js";

/** Text that is written as it comes, so that a long one keeps nobody waiting; bytes are its UTF-8. */
export type SealedText = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** In bytes, with its seal: nothing that anybody keeps is longer. */
export const longestSealedFile = 640 << 20;

/** 32 bytes in base64url, and a line feed. */
const sealLength = 44;

/**
 * What a machine remembers of authorities, in the folder `feeds` beside its identity: texts, each ended by a seal that
 * only this identity's key store can make (docs/protocol.md, section 11.17). An older one of its files is not told from
 * the latest: what they hold says by itself how old it is.
 */
export class SealedFiles {
  readonly #folder: string;
  readonly #key: Uint8Array;

  private constructor(folder: string, key: Uint8Array) {
    this.#folder = folder;
    this.#key = key;
  }

  /** @throws AmeshError when the key store cannot give the sealing secret */
  static async of({ dir, identity, keyStore }: AllowListOwner): Promise<SealedFiles> {
    const secret = await keyStore.sealingSecret(identity.keyAlias);
    return new SealedFiles(join(dir, "feeds"), sealKeyOf(secret, identity.deviceId, "amesh/trust-feed/1"));
  }

  /**
   * Seals for another identity of the folder what the present one sealed, as long as both can be used (docs/protocol.md, section
   * 11.15). What has any other seal stays as it is: it is not made good. Killed in between, it goes on when it is called again.
   *
   * @throws AmeshError `storage_failed`, `allow_list_locked`, and as `of`
   */
  static async handOver(from: AllowListOwner, to: AllowListOwner): Promise<void> {
    const [old, next] = [await SealedFiles.of(from), await SealedFiles.of(to)];
    for (const name of old.list())
      await old.#locked(async (assertHeld) => {
        const text = old.#readWhole(name);
        if (text !== undefined) await replaceFile(next.#pathOf(name), next.#sealed(name, [text]), assertHeld);
      });
  }

  /** The names of the files there are. @throws AmeshError `storage_failed` */
  list(): readonly string[] {
    try {
      return readdirSync(this.#folder).filter((name) => fileName.test(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw storageFailed(this.#folder, error);
    }
  }

  /**
   * A file's text in UTF-8, without its seal.
   *
   * @returns undefined where there is none
   * @throws AmeshError `feed_copy_damaged` where the seal does not fit, `storage_failed`
   */
  read(name: string, maxBytes: number): Uint8Array | undefined {
    const path = this.#pathOf(name);
    const bytes = readBounded(path, maxBytes);
    if (bytes === undefined) return undefined;
    const end = bytes.length - sealLength;
    const [text, seal] = [bytes.subarray(0, Math.max(0, end)), bytes.subarray(Math.max(0, end))];
    const right = Buffer.from(sealLine(this.#hmac(name).update(text)));
    if (end >= 0 && seal.length === right.length && timingSafeEqual(seal, right)) return text;
    throw new AmeshError("feed_copy_damaged", `The seal of ${path} does not fit.`);
  }

  /** Puts a text in the place of the file's. @throws AmeshError `storage_failed`, `allow_list_locked` */
  async write(name: string, text: SealedText): Promise<void> {
    this.#makeFolder();
    await this.#locked((assertHeld) => replaceFile(this.#pathOf(name), this.#sealed(name, text), assertHeld));
  }

  /** @throws AmeshError `storage_failed`, `allow_list_locked` */
  async remove(name: string): Promise<void> {
    if (this.list().includes(name)) await this.#locked(() => removeFile(this.#pathOf(name)));
  }

  /** Nothing where it is damaged. */
  #readWhole(name: string): Uint8Array | undefined {
    try {
      return this.read(name, longestSealedFile);
    } catch (error) {
      if (error instanceof AmeshError && error.code === "feed_copy_damaged") return undefined;
      throw error;
    }
  }

  #locked(work: (assertHeld: () => void) => Promise<void>): Promise<void> {
    return withLock(join(this.#folder, "lock"), (lock) => work(() => lock.assertHeld()));
  }

  async *#sealed(name: string, text: SealedText): AsyncGenerator<string | Uint8Array> {
    const hmac = this.#hmac(name);
    for await (const part of text) {
      hmac.update(part);
      yield part;
    }
    yield sealLine(hmac);
  }

  /** The name is sealed too, so that no file takes another's place. */
  #hmac(name: string) {
    return createHmac("sha256", this.#key).update(`${name}\n`);
  }

  #pathOf(name: string): string {
    if (!fileName.test(name))
      throw new TypeError("A sealed file has a name of 1 to 64 characters of a-z, A-Z, 0-9, _, -, and .");
    return join(this.#folder, name);
  }

  #makeFolder(): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw storageFailed(this.#folder, error);
    }
  }
}

const fileName = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}\.(?:copy|pin)$/;

const sealLine = (hmac: ReturnType<typeof createHmac>): string => `${hmac.digest("base64url")}\n`;
