import { deviceIdOf, fromBase64, type Role, type Scopes } from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  oneOf,
  optional,
  type Reader,
  record,
  scopeMap,
  text,
  time,
} from "@authmesh/core/records";
import { cleanName, deviceId, publicKey } from "./internal/members.js";

/** How a device came to be in the list. */
export type AddedBy = "handshake" | "bootstrap" | "enrollment" | "manual";

/** One device in one role; (deviceId, role) is the key of the list. */
export interface DeviceEntry {
  readonly deviceId: string;
  /** The compressed point in standard base64. */
  readonly publicKey: string;
  readonly friendlyName: string;
  readonly role: Role;
  /** Pending: written by a pairing that is not confirmed yet. Counts as unknown everywhere. */
  readonly status: "active" | "pending";
  /** Unix seconds. */
  readonly addedAt: number;
  readonly addedBy: AddedBy;
  /** Whether its requests must be bound to a host; never goes back to false. */
  readonly bound: boolean;
  readonly scopes?: Scopes;
  /** Unix seconds. */
  readonly expiresAt?: number;
  /** The device that took this one's place in this role: the entry ends by itself, and goes with that one's before. */
  readonly replacedBy?: string;
}

/** A device that was revoked here. It stays for ever: only a pairing as controller, between people, lifts it. */
export interface Tombstone {
  readonly deviceId: string;
  /** The name it had. */
  readonly friendlyName: string;
  /** Unix seconds. */
  readonly revokedAt: number;
}

/** A bootstrap token that was used here, kept until it expires. */
export interface ConsumedToken {
  readonly jti: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What a change may touch. */
export interface AllowListDraft {
  /** The hosts this machine answers to; absent when none are configured. */
  audience?: string[];
  maxControllers: number;
  devices: DeviceEntry[];
  revoked: Tombstone[];
  consumed: ConsumedToken[];
}

/** allow_list.json without its seal (docs/protocol.md, section 11). */
export interface AllowListContents extends AllowListDraft {
  version: 1;
  /** Rises by at least one a write. */
  generation: number;
  /** Unix seconds. */
  updatedAt: number;
}

/** What others see of it. */
export type AllowListState = {
  readonly [K in keyof AllowListContents]: AllowListContents[K] extends readonly (infer T)[] | undefined
    ? readonly T[]
    : AllowListContents[K];
};

export const emptyAllowList = (maxControllers: number): AllowListDraft => ({
  maxControllers,
  devices: [],
  revoked: [],
  consumed: [],
});

export const maxGeneration = Number.MAX_SAFE_INTEGER;

/** Devices and tokens each. */
export const maxEntries = 10_000;
/**
 * Tombstones, which stay for ever. A device is let in only while its own would find room, too, so that revoking
 * never fails.
 */
export const maxTombstones = 100_000;
/** Room for that many of each, with names of ordinary length. Revoking makes the file smaller, not larger. */
export const maxAllowListBytes = 32 << 20;

const shape = record({
  version: oneOf(1),
  generation: integer(1, maxGeneration),
  audience: optional(listOf(text(/^[\x21-\x7e]{1,262}$/, "a host"), 64)),
  maxControllers: integer(1, maxEntries),
  devices: listOf(
    record({
      deviceId,
      publicKey,
      friendlyName: cleanName,
      role: oneOf("controller", "target"),
      status: oneOf("active", "pending"),
      addedAt: time,
      addedBy: oneOf("handshake", "bootstrap", "enrollment", "manual"),
      bound: oneOf(true, false),
      scopes: optional(scopeMap),
      expiresAt: optional(time),
      replacedBy: optional(deviceId),
    }),
    maxEntries,
  ),
  revoked: listOf(record({ deviceId, friendlyName: cleanName, revokedAt: time }), maxTombstones),
  consumed: listOf(record({ jti: text(/^[\x21-\x7e]{1,128}$/, "a token id"), expiresAt: time }), maxEntries),
  updatedAt: time,
});

/**
 * Reads the members beside the seal and holds them to the rules that no single member shows: ids are those of the
 * keys, no two keys share one, no entry is there twice, no active controller is revoked.
 *
 * @throws Misfit, to be given a code by the caller
 */
export const allowListContents: Reader<AllowListContents> = (value, at) => {
  const contents = shape(value, at);
  const keys = new Map<string, string>();
  const entries = new Set<string>();
  const revoked = new Set(contents.revoked.map((tombstone) => tombstone.deviceId));
  if (revoked.size < contents.revoked.length) throw new Misfit("revoked names a device twice");
  for (const { deviceId, publicKey, role, status } of contents.devices) {
    if ((keys.get(deviceId) ?? publicKey) !== publicKey)
      throw new Misfit(`two keys share the id ${deviceId}`);
    if (entries.has(`${deviceId} ${role}`)) throw new Misfit(`${deviceId} is there twice as ${role}`);
    if (role === "controller" && status === "active" && revoked.has(deviceId))
      throw new Misfit(`${deviceId} is an active controller and revoked`);
    keys.set(deviceId, publicKey);
    entries.add(`${deviceId} ${role}`);
  }
  for (const [deviceId, publicKey] of keys) {
    const bytes = fromBase64(publicKey);
    if (bytes === undefined || deviceIdOf(bytes) !== deviceId) {
      throw new Misfit(`${deviceId} is not the id of its key`);
    }
  }
  return contents;
};
