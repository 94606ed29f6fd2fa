import { AmeshError, sha256, toBase64Url } from "@authmesh/core";
import { longestSealedFile, type OpenIdentity, SealedFiles } from "@authmesh/keystore";
import {
  type FeedName,
  type KeptFeed,
  type KeptFeedHeader,
  keptFeedText,
  readKeptFeed,
  readKeptHeader,
} from "@authmesh/oath/feed";
import { type FeedPin, joinPins, longestPin, pinOf, pinText } from "./feed-pin.js";

/** What there is of all authorities. */
export interface KeptFeeds {
  /** Where each copy stands. */
  readonly copies: readonly KeptFeedHeader[];
  readonly pins: readonly FeedPin[];
  /** Why the others cannot be read: each names a file. */
  readonly problems: readonly AmeshError[];
}

/** A snapshot of the largest size, and its seal. */
const longestCopy = longestSealedFile;

/** What a machine keeps of authorities, sealed beside its identity (docs/protocol.md, section 11.17). */
export class FeedFiles {
  readonly #files: SealedFiles;

  private constructor(files: SealedFiles) {
    this.#files = files;
  }

  /** @throws AmeshError when the key store cannot give the sealing secret */
  static async of(identity: OpenIdentity): Promise<FeedFiles> {
    return new FeedFiles(await SealedFiles.of(identity));
  }

  /** @throws AmeshError `feed_copy_damaged`, `feed_malformed`, `storage_failed` */
  async readCopy(name: FeedName): Promise<KeptFeed | undefined> {
    const bytes = this.#files.read(copyName(name), longestCopy);
    return bytes && readKeptFeed(name, bytes);
  }

  /** Written in parts, so that a long copy keeps nobody waiting. @throws AmeshError `storage_failed`, `allow_list_locked` */
  writeCopy(name: FeedName, kept: KeptFeed): Promise<void> {
    return this.#files.write(copyName(name), keptFeedText(name, kept));
  }

  /** One that cannot be read hides no other. @throws AmeshError `storage_failed` for a folder that cannot be read */
  list(): KeptFeeds {
    const copies: KeptFeedHeader[] = [];
    const pins: FeedPin[] = [];
    const problems: AmeshError[] = [];
    for (const name of this.#files.list())
      try {
        if (name.endsWith(".copy")) copies.push(...this.#read(name, longestCopy, readKeptHeader));
        else pins.push(...this.#read(name, longestPin, (bytes) => pinOf(bytes, `The pin ${name}`)));
      } catch (error) {
        if (!(error instanceof AmeshError)) throw error;
        problems.push(error);
      }
    return { copies, pins, problems };
  }

  /** @throws AmeshError `feed_copy_damaged`, `storage_failed` */
  readPin(url: string): FeedPin | undefined {
    return this.#read(pinName(url), longestPin, (bytes) => pinOf(bytes, `The pin of ${url}`))[0];
  }

  /**
   * Joins it to what other services of this machine came to.
   *
   * @throws AmeshError `feed_key_changed` as `joinPins`, `storage_failed`, `allow_list_locked`
   */
  writePin(pin: FeedPin): Promise<void> {
    return this.#files.write(pinName(pin.url), this.#joined(pin));
  }

  /** Reads what is there when the text is asked for: while nobody else writes. */
  *#joined(pin: FeedPin): Generator<string> {
    yield pinText(joinPins(this.#undamagedPin(pin.url), pin));
  }

  #undamagedPin(url: string): FeedPin | undefined {
    try {
      return this.readPin(url);
    } catch (error) {
      if (error instanceof AmeshError && error.code === "feed_copy_damaged") return undefined;
      throw error;
    }
  }

  /** Whether there is anything of an authority, damaged or not. @throws AmeshError `storage_failed` */
  keeps(url: string): boolean {
    return this.#namesOf(url).length > 0;
  }

  /** Unpins an authority, and forgets its copies. @throws AmeshError `storage_failed`, `allow_list_locked` */
  async forget(url: string): Promise<void> {
    for (const name of this.#namesOf(url)) await this.#files.remove(name);
  }

  #namesOf(url: string): readonly string[] {
    return this.#files.list().filter((name) => name.startsWith(`${folded(url)}-`));
  }

  /** Nothing where there is no such file. */
  #read<Value>(name: string, maxBytes: number, read: (bytes: Uint8Array) => Value): readonly Value[] {
    const bytes = this.#files.read(name, maxBytes);
    return bytes === undefined ? [] : [read(bytes)];
  }
}

const folded = (part: string): string => toBase64Url(sha256(part)).slice(0, 22);
const pinName = (url: string): string => `${folded(url)}-key.pin`;
const copyName = ({ iss, feed }: FeedName): string => `${folded(iss)}-${folded(feed)}.copy`;
