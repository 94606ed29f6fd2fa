import {
  AmeshError,
  checkAudience,
  friendlyName,
  narrowScopes,
  type PublicKey,
  quoteForeign,
  type Role,
  type Scopes,
} from "@authmesh/core";
import {
  type AddedBy,
  type AllowListDraft,
  type DeviceEntry,
  maxEntries,
  maxTombstones,
} from "./allow-list-format.js";

/**
 * What can happen to an allow list, as functions over a draft: `list.update((draft) => revokeDevice(draft, …))`.
 * Times are Unix seconds.
 */

/** What only a person present may allow. */
export interface Consent {
  /** Let controllers go that stand in the way of a new one, the ones added first. Default false. */
  readonly replace?: boolean | undefined;
  /** Accept a device that was revoked here. An active controller lifts that, a target does not. Default false. */
  readonly acceptRevoked?: boolean | undefined;
}

export interface NewDevice extends Consent {
  readonly publicKey: PublicKey;
  readonly friendlyName: string;
  readonly role: Role;
  /** Pending until it is added as active; a device that is active already stays so. */
  readonly status: "active" | "pending";
  readonly addedBy: AddedBy;
  readonly bound: boolean;
  readonly scopes?: Scopes | undefined;
  readonly expiresAt?: number | undefined;
  readonly now: number;
}

/** A device in one role. */
export interface EntryKey {
  readonly deviceId: string;
  readonly role: Role;
}

/**
 * Adds a device, or updates the entry it has in this role: of an active one, scopes stay or become narrower, an
 * expiry that has not passed stays or becomes earlier, and `bound` stays true. One whose expiry has passed has to be confirmed
 * anew.
 *
 * @throws AmeshError `device_revoked`, `controller_limit_reached`, `allow_list_full`, `invalid_name`; `invalid_public_key`
 * when another key has the same device id
 */
export function addDevice(draft: AllowListDraft, device: NewDevice): DeviceEntry {
  const { publicKey, role, now } = device;
  const { deviceId } = publicKey;
  if (draft.devices.some((entry) => entry.deviceId === deviceId && entry.publicKey !== publicKey.base64))
    throw new AmeshError("invalid_public_key", `Another key in the allow list has the id ${deviceId}.`);
  const present = draft.devices.find((entry) => isEntry(entry, { deviceId, role }));
  if (present === undefined) assertRoom(draft);
  const isActive =
    present?.status === "active" && (present.expiresAt === undefined || present.expiresAt > now);
  const { scopes, expiresAt } = present?.status === "active" ? narrowed(present, device) : device;
  const entry: DeviceEntry = {
    deviceId,
    publicKey: publicKey.base64,
    friendlyName: friendlyName(device.friendlyName),
    role,
    status: isActive ? "active" : device.status,
    addedAt: now,
    addedBy: device.addedBy,
    bound: device.bound || present?.bound === true,
    ...(scopes && { scopes }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
  admit(draft, entry, device, now);
  draft.devices = [...draft.devices.filter((other) => other !== present), entry];
  return entry;
}

/** Takes back what a pairing that was not confirmed has written. An active entry stays. */
export function removePendingDevice(draft: AllowListDraft, key: EntryKey): void {
  draft.devices = draft.devices.filter((entry) => !(isEntry(entry, key) && entry.status === "pending"));
}

/**
 * Removes a device in every role and leaves a tombstone; with it goes every device whose place it took, for they are
 * one machine.
 *
 * @returns the entries removed, those of the device itself first
 * @throws AmeshError `device_not_found`
 */
export function revokeDevice(
  draft: AllowListDraft,
  { deviceId, now }: { readonly deviceId: string; readonly now: number },
): readonly DeviceEntry[] {
  const removed = draft.devices.filter((entry) => entry.deviceId === deviceId);
  const [first] = removed;
  if (first === undefined) throw notFound(deviceId);
  draft.devices = draft.devices.filter((entry) => entry.deviceId !== deviceId);
  withoutTombstone(draft, deviceId);
  draft.revoked.push({ deviceId, friendlyName: first.friendlyName, revokedAt: now });
  const replaced = draft.devices.find((entry) => entry.replacedBy === deviceId);
  return replaced ? [...removed, ...revokeDevice(draft, { deviceId: replaced.deviceId, now })] : removed;
}

/**
 * Sets what a controller may do, wider or narrower than before. An empty map grants nothing. A device whose place it
 * took may do no more than it from then on.
 *
 * @throws AmeshError `device_not_found`
 */
export function setScopes(
  draft: AllowListDraft,
  { deviceId, scopes }: { readonly deviceId: string; readonly scopes: Scopes },
): void {
  const present = draft.devices.find((entry) => isEntry(entry, { deviceId, role: "controller" }));
  if (present === undefined) throw notFound(deviceId);
  draft.devices = draft.devices.map((entry) => {
    if (entry === present) return { ...entry, scopes };
    if (entry.replacedBy !== deviceId) return entry;
    return { ...entry, scopes: narrowerScopes(entry.scopes, scopes) ?? {} };
  });
}

/** Sets the hosts this machine answers to; none removes them. @throws TypeError for what is not a host */
export function setAudience(draft: AllowListDraft, hosts: readonly string[]): void {
  if (hosts.length > 0) draft.audience = [...checkAudience(hosts)];
  else delete draft.audience;
}

/** Sets how many controllers this machine accepts; those who are there stay. @throws TypeError unless 1 to 1000 */
export function setMaxControllers(draft: AllowListDraft, most: number): void {
  draft.maxControllers = checkMaxControllers(most);
}

/** @throws TypeError */
export function checkMaxControllers(most: number): number {
  if (Number.isInteger(most) && most >= 1 && most <= 1000) return most;
  throw new TypeError(`maxControllers must be an integer from 1 to 1000; it is ${most}.`);
}

/**
 * The controllers that a new one would replace, the ones added first; empty while there is room. One that was
 * replaced ends by itself, and its place is its successor's.
 *
 * @param newcomer its device id: it never stands in its own way
 */
export function controllersInTheWay(
  list: { readonly devices: readonly DeviceEntry[]; readonly maxControllers: number },
  newcomer: string,
  now: number,
): readonly DeviceEntry[] {
  const others = list.devices.filter(
    (entry) =>
      entry.role === "controller" &&
      entry.status === "active" &&
      entry.deviceId !== newcomer &&
      entry.replacedBy === undefined &&
      !hasLapsed(entry, now),
  );
  const excess = Math.max(0, others.length + 1 - list.maxControllers);
  return others.sort((a, b) => a.addedAt - b.addedAt).slice(0, excess);
}

/** Every device keeps room for its tombstone free. @throws AmeshError `allow_list_full` */
export function assertRoom({ devices, revoked }: AllowListDraft): void {
  if (devices.length < maxEntries && devices.length + revoked.length < maxTombstones) return;
  const detail = `The allow list has ${devices.length} devices and ${revoked.length} revocations.`;
  throw new AmeshError("allow_list_full", detail);
}

/** @throws AmeshError `device_revoked` */
export function assertNotRevoked({ revoked }: AllowListDraft, deviceId: string): void {
  if (revoked.some((tombstone) => tombstone.deviceId === deviceId))
    throw new AmeshError("device_revoked", `${deviceId} was revoked on this machine.`);
}

/** Whether a device may come in. What consent gives way to goes only once the entry is an active controller. */
function admit(draft: AllowListDraft, entry: DeviceEntry, consent: Consent, now: number): void {
  if (consent.acceptRevoked !== true) assertNotRevoked(draft, entry.deviceId);
  // A target may not call, so it neither lifts a revocation nor counts among the controllers.
  if (entry.role === "target") return;
  const inTheWay = controllersInTheWay(draft, entry.deviceId, now);
  if (inTheWay.length > 0 && consent.replace !== true) {
    const names = inTheWay.map(({ deviceId }) => deviceId).join(", ");
    throw new AmeshError("controller_limit_reached", `In the way: ${names}.`);
  }
  if (entry.status === "pending") return;
  withoutTombstone(draft, entry.deviceId);
  draft.devices = draft.devices.filter((other) => !inTheWay.includes(other));
}

function narrowed(present: DeviceEntry, device: NewDevice): Pick<NewDevice, "scopes" | "expiresAt"> {
  return {
    scopes: narrowerScopes(present.scopes, device.scopes),
    expiresAt: earlier(hasLapsed(present, device.now) ? undefined : present.expiresAt, device.expiresAt),
  };
}

export const narrowerScopes = (present: Scopes | undefined, asked: Scopes | undefined): Scopes | undefined =>
  asked === undefined ? present : narrowScopes(present ?? {}, asked);

/** The earlier of two ends, where there is one. */
export function earlier(...ends: readonly (number | undefined)[]): number | undefined {
  const given = ends.filter((at) => at !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

export const hasLapsed = ({ expiresAt }: Pick<DeviceEntry, "expiresAt">, now: number): boolean =>
  expiresAt !== undefined && expiresAt <= now;

function withoutTombstone(draft: AllowListDraft, deviceId: string): void {
  draft.revoked = draft.revoked.filter((tombstone) => tombstone.deviceId !== deviceId);
}

const isEntry = (entry: DeviceEntry, { deviceId, role }: EntryKey) =>
  entry.deviceId === deviceId && entry.role === role;

export const notFound = (deviceId: string) =>
  new AmeshError("device_not_found", `${quoteForeign(deviceId)} is not in the allow list.`);
