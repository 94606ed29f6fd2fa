import {
  deviceIdOf,
  fromBase64,
  type JsonObject,
  PublicKey,
  type Scopes,
  type TrustedDevice,
} from "@authmesh/core";
import { deviceIdForm, Misfit, type Reader } from "@authmesh/core/records";
import {
  type FeedChange,
  type FeedDevice,
  type FeedEnd,
  type FeedRevocation,
  feedTokenId,
  type RevokedName,
  readFeedDevice,
  readFeedEnd,
  readFeedRevocation,
} from "./feed-change.js";

/** A device of the feed, as a verifier asks for it. */
export interface ListedDevice extends TrustedDevice {
  /** The subject of its tokens. */
  readonly subject: string;
}

/** What a change does to the state: read before, so that a delta is applied whole or not at all. */
type Write = () => void;
type ReadChange = (id: string, value: JsonObject | null, at: string) => Write;

/**
 * What a feed says (docs/protocol.md, section 9.1), arranged for questions; each costs one or two look-ups. Kinds that
 * it does not know it leaves out.
 */
export class FeedState {
  readonly #devices = new Map<string, Listed>();
  readonly #byKey = new Map<string, Listed>();
  readonly #bySubject = new Map<string, Listed>();
  readonly #ended = new Map<string, FeedEnd>();
  readonly #revoked = new Map<string, FeedRevocation>();
  readonly #tokens = new Map<string, FeedRevocation>();
  readonly #kinds = new Map<string, ReadChange>([
    ["device", (id, value, at) => this.#readDevice(id, value, at)],
    ["ended", (id, value, at) => readEntry(this.#ended, readFeedEnd, deviceIdForm, id, value, at)],
    ["revoked", (id, value, at) => readEntry(this.#revoked, readFeedRevocation, deviceIdForm, id, value, at)],
    ["token", (id, value, at) => readEntry(this.#tokens, readFeedRevocation, tokenId, id, value, at)],
  ]);

  /** Entries of every kind. */
  get size(): number {
    return this.#devices.size + this.#ended.size + this.#revoked.size + this.#tokens.size;
  }

  /** A device that is not revoked, by its key: the compressed point in base64. */
  find(key: string): ListedDevice | undefined {
    return this.#unlessRevoked(this.#byKey.get(key));
  }

  findById(deviceId: string): ListedDevice | undefined {
    return this.#unlessRevoked(this.#devices.get(deviceId));
  }

  findBySubject(subject: string): ListedDevice | undefined {
    return this.#unlessRevoked(this.#bySubject.get(subject));
  }

  isRevoked(deviceId: string): boolean {
    return this.#revoked.has(deviceId);
  }

  /** Whether it was a device of the account once, and is none. */
  hasEnded(deviceId: string): boolean {
    return this.#ended.has(deviceId) && !this.#devices.has(deviceId);
  }

  tokenRevocation(name: RevokedName): FeedRevocation | undefined {
    return this.#tokens.get(feedTokenId(name));
  }

  /** All of the changes, or none of them. @throws Misfit for a value that is not one of its kind */
  apply(changes: readonly FeedChange[]): void {
    for (const write of changes.map((change, index) => this.#read(change, `changes[${index}]`))) write();
  }

  /** The state as changes that lead to it from nothing. What happens to it meanwhile is not seen. */
  *entries(): Generator<FeedChange> {
    const devices = [...this.#devices];
    const [ended, revoked, tokens] = [[...this.#ended], [...this.#revoked], [...this.#tokens]];
    for (const [id, { value }] of devices) yield ["device", id, value as unknown as JsonObject];
    for (const [id, value] of ended) yield ["ended", id, value];
    for (const [id, value] of revoked) yield ["revoked", id, value as JsonObject];
    for (const [id, value] of tokens) yield ["token", id, value as JsonObject];
  }

  #unlessRevoked(device: Listed | undefined): Listed | undefined {
    return device === undefined || this.#revoked.has(device.deviceId) ? undefined : device;
  }

  #read([kind, id, value]: FeedChange, at: string): Write {
    return this.#kinds.get(kind)?.(id, value, at) ?? ignored;
  }

  #readDevice(id: string, value: JsonObject | null, at: string): Write {
    if (value === null) return () => this.#remove(id);
    const device = readFeedDevice(value, at) as FeedDevice;
    if (deviceIdOf(fromBase64(device.key) ?? new Uint8Array()) !== id)
      throw new Misfit(`${at}: ${id} is not the id of its key`);
    return () => {
      this.#remove(id);
      const listed = new Listed(id, device);
      this.#devices.set(id, listed);
      this.#byKey.set(device.key, listed);
      this.#bySubject.set(device.sub, listed);
    };
  }

  #remove(id: string): void {
    const listed = this.#devices.get(id);
    if (listed === undefined) return;
    this.#devices.delete(id);
    this.#byKey.delete(listed.value.key);
    // A device that rotated its key left its subject to the one in its place.
    if (this.#bySubject.get(listed.subject) === listed) this.#bySubject.delete(listed.subject);
  }
}

const ignored: Write = () => {};
const tokenId = /^(?:sub|jti|kid|tenant):[A-Za-z0-9_-]{43}$/;

function readEntry<T>(
  entries: Map<string, T>,
  read: Reader<T>,
  names: RegExp,
  id: string,
  value: JsonObject | null,
  at: string,
): Write {
  if (value === null) return () => entries.delete(id);
  if (!names.test(id)) throw new Misfit(`${at} names nothing that can end`);
  const entry = read(value, at);
  return () => entries.set(id, entry);
}

/** Holds what the feed said once: everything a verifier asks for is read from there. */
class Listed implements ListedDevice {
  readonly deviceId: string;
  readonly value: FeedDevice;
  readonly role = "controller";
  readonly status = "active";
  /** Whoever enrolls binds its requests. */
  readonly bound = true;
  readonly expiresAt?: number;
  #publicKey: PublicKey | undefined;

  constructor(deviceId: string, value: FeedDevice) {
    this.deviceId = deviceId;
    this.value = value;
    if (value.expiresAt !== undefined) this.expiresAt = value.expiresAt;
  }

  /** Imported on first use. @throws AmeshError `invalid_public_key` */
  get publicKey(): PublicKey {
    this.#publicKey ??= PublicKey.fromBase64(this.value.key);
    return this.#publicKey;
  }

  get friendlyName(): string {
    return this.value.name;
  }

  get subject(): string {
    return this.value.sub;
  }

  get scopes(): Scopes {
    return this.value.scopes;
  }
}
