import { statSync } from "node:fs";
import { AmeshError, type Failure, type Role, type TrustedDevice, type TrustStore } from "@authmesh/core";
import { AllowListFile, type AllowListOwner, isFailure, olderThan } from "./allow-list-file.js";
import type { AllowListContents, AllowListDraft, AllowListState } from "./allow-list-format.js";
import { DeviceIndex } from "./device-index.js";
import type { DeviceList } from "./device-list.js";

export interface AllowListOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
}

const lookEveryMs = 500;
/** Also for who is unknown, so that a machine that was paired a moment ago is let in, and strangers cost little. */
const lookForUnknownEveryMs = 50;

/**
 * Whom this machine accepts: allow_list.json, held in memory and kept fresh (docs/protocol.md, section 11).
 *
 * `check()` looks at the file at most every 500 ms, a question for an unknown device at most every 50 ms; it is
 * read again when it changed. A file that is gone, was
 * edited, or is older than one seen before is refused: nobody is known then, until a good one is back.
 */
export class AllowList implements TrustStore, DeviceList {
  readonly #file: AllowListFile;
  readonly #now: () => number;
  readonly #monotonic: () => number;
  readonly #listeners = new Set<() => void>();
  #index = new DeviceIndex(undefined);
  #failure: Failure | undefined;
  /** No list below this generation is believed: the highest that this process or the key store has seen. */
  #floor = 0;
  /** Why the key store's memory cannot be believed. */
  #forgotten: Failure | undefined;
  #lookedAt: number;
  #stamp: string | undefined;

  private constructor(file: AllowListFile, options: AllowListOptions) {
    this.#file = file;
    this.#now = options.now ?? Date.now;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#lookedAt = this.#monotonic();
  }

  /**
   * Opens the list of an identity. A list that cannot be trusted is opened too: `check()` says why, and a later,
   * good file is taken.
   *
   * @throws AmeshError when the key store cannot be used: `passphrase_missing`, `passphrase_wrong`, `key_not_found`, …
   */
  static async open(owner: AllowListOwner, options: AllowListOptions = {}): Promise<AllowList> {
    const list = new AllowList(await AllowListFile.of(owner), options);
    list.#take(await list.#file.recall());
    list.#stamp = list.#stampOfFile();
    list.#judge(list.#file.read());
    return list;
  }

  check(): Failure | undefined {
    this.#lookUnlessWithin(lookEveryMs);
    return this.#failure;
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#findIn("byKey", key, role);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#findIn("byId", deviceId, role);
  }

  #findIn(index: "byKey" | "byId", name: string, role: Role): TrustedDevice | undefined {
    const known = this.#index[index][role].get(name);
    if (known !== undefined || !this.#lookUnlessWithin(lookForUnknownEveryMs)) return known;
    return this.#index[index][role].get(name);
  }

  #lookUnlessWithin(ms: number): boolean {
    const now = this.#monotonic();
    if (now - this.#lookedAt < ms) return false;
    this.#lookedAt = now;
    this.#look();
    return true;
  }

  isRevoked(deviceId: string): boolean {
    return this.#failure !== undefined || this.#index.revoked.has(deviceId);
  }

  get audience(): readonly string[] {
    return this.#index.audience;
  }

  /** Calls back, within `check` or `update`, after every change noticed. The listener must not throw. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Everything the list says. @throws AmeshError what `check()` returns */
  get state(): AllowListState {
    const problem = this.check();
    if (problem !== undefined || this.#index.contents === undefined)
      throw new AmeshError(problem ?? "allow_list_missing");
    return this.#index.contents;
  }

  /**
   * Changes the list: one writer at a time over all processes, read, changed, sealed and written as a whole. The
   * verbs are in `allow-list-changes.ts`.
   *
   * @param change edits the draft in place; when it throws, nothing is written
   * @returns what `change` returns
   * @throws AmeshError `allow_list_locked` after 10 seconds, `storage_failed`, what `check()` returns, what `change`
   * throws; `pairing_own_key` when it adds this machine itself
   */
  update<T>(change: (draft: AllowListDraft) => T): Promise<T> {
    return this.#file.locked(async (lock) => {
      this.#take(await this.#file.recall());
      const present = this.#file.read();
      this.#judge(present);
      if (isFailure(present) || this.#failure !== undefined)
        throw new AmeshError(this.#failure ?? "allow_list_missing");
      const draft = structuredClone(present);
      const result = change(draft);
      this.#refuseItself(present, draft);
      const seconds = Math.floor(this.#now() / 1000);
      this.#judge(await this.#file.write(lock, draft, present.generation + 1, seconds));
      this.#stamp = undefined;
      return result;
    });
  }

  #refuseItself(present: AllowListDraft, draft: AllowListDraft): void {
    const { deviceId } = this.#file;
    const holds = ({ devices }: AllowListDraft) => devices.some((entry) => entry.deviceId === deviceId);
    if (!holds(draft) || holds(present)) return;
    throw new AmeshError("pairing_own_key", `${deviceId} is this machine itself.`, {
      fix: "Give the key of another machine.",
    });
  }

  #look(): void {
    const stamp = this.#stampOfFile();
    if (stamp !== undefined && stamp === this.#stamp && this.#failure === undefined) return;
    this.#stamp = stamp;
    this.#judge(this.#file.read());
    // A key store that cannot be asked now changes nothing: what this process has seen still binds it.
    this.#file.recall().then(
      (remembered) => this.#reconsider(remembered),
      () => undefined,
    );
  }

  #reconsider(remembered: number | Failure): void {
    const behind = isFailure(remembered) || remembered > this.#floor;
    this.#take(remembered);
    // The file is written before it is remembered, so read after, it must not be behind.
    if (behind || this.#failure !== undefined) this.#judge(this.#file.read());
  }

  #take(remembered: number | Failure): void {
    this.#forgotten = isFailure(remembered) ? remembered : undefined;
    if (!isFailure(remembered)) this.#floor = Math.max(this.#floor, remembered);
  }

  #judge(read: AllowListContents | Failure): void {
    const before = this.#failure?.code ?? this.#index.contents?.generation;
    this.#failure = isFailure(read) ? read : (this.#forgotten ?? olderThan(this.#floor, read.generation));
    const contents = isFailure(read) || this.#failure !== undefined ? undefined : read;
    if (contents !== undefined) this.#floor = contents.generation;
    if (before === (this.#failure?.code ?? contents?.generation)) return;
    this.#index = new DeviceIndex(contents);
    for (const listener of this.#listeners) listener();
  }

  /** Undefined, which equals nothing, for a file that is gone or so young that the next write may leave its stamp. */
  #stampOfFile(): string | undefined {
    try {
      const { ino, size, mtimeMs, mtimeNs, ctimeNs } = statSync(this.#file.path, { bigint: true });
      if (Math.abs(this.#now() - Number(mtimeMs)) < 1000) return undefined;
      // mtime can be set back by whoever puts an old file in place, ctime cannot.
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch {
      return undefined; // reading the file will say why
    }
  }
}
