import { sha256, toBase64Url } from "@authmesh/core";
import { integer, oneOf, readDocument, record, text } from "@authmesh/core/records";
import { type OpenIdentity, SealedFiles } from "@authmesh/keystore";
import {
  type FeedAnchor,
  type FeedName,
  feedKey,
  type KeptFeed,
  type KeptFeedHeader,
  keptFeedText,
  readKeptFeed,
  readKeptHeader,
} from "@authmesh/oath/feed";

/** The feed key of an authority that this machine has come to. */
export interface FeedPin extends FeedAnchor {
  readonly url: string;
  /** The thumbprint that was configured when it was written; "" where none was. */
  readonly from: string;
}

/** A snapshot of the largest size, and its seal. */
const longestCopy = 640 << 20;
const longestPin = 4096;

const readPin = record({
  version: oneOf(1),
  url: text(/^https?:\/\/[\x21-\x7e]{1,505}$/, "a URL"),
  from: text(/^(?:[A-Za-z0-9_-]{43})?$/, "a thumbprint, or nothing"),
  key: feedKey,
  seq: integer(0, Number.MAX_SAFE_INTEGER),
});

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

  /** Where each copy stands that is kept, and can be read. @throws AmeshError `storage_failed` */
  listCopies(): readonly KeptFeedHeader[] {
    const copies = this.#files.list().filter((name) => name.endsWith(".copy"));
    return copies.map((name) => readKeptHeader(this.#files.read(name, longestCopy) ?? new Uint8Array()));
  }

  /** @throws AmeshError `feed_copy_damaged`, `storage_failed` */
  readPin(url: string): FeedPin | undefined {
    const bytes = this.#files.read(pinName(url), longestPin);
    return bytes && readDocument(bytes, readPin, "feed_copy_damaged", `The pin of ${url}`);
  }

  /** @throws AmeshError `storage_failed`, `allow_list_locked` */
  writePin({ url, from, key, seq }: FeedPin): Promise<void> {
    return this.#files.write(pinName(url), [`${JSON.stringify({ version: 1, url, from, key, seq })}\n`]);
  }

  /** Unpins an authority, and forgets its copies. @throws AmeshError `storage_failed`, `allow_list_locked` */
  async forget(url: string): Promise<void> {
    const own = `${folded(url)}-`;
    for (const name of this.#files.list()) if (name.startsWith(own)) await this.#files.remove(name);
  }
}

const folded = (part: string): string => toBase64Url(sha256(part)).slice(0, 22);
const pinName = (url: string): string => `${folded(url)}-key.pin`;
const copyName = ({ iss, feed }: FeedName): string => `${folded(iss)}-${folded(feed)}.copy`;
