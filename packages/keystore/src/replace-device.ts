import { AmeshError, friendlyName, type PublicKey, type Scopes } from "@authmesh/core";
import {
  assertNotRevoked,
  assertRoom,
  earlier,
  hasLapsed,
  narrowerScopes,
  notFound,
} from "./allow-list-changes.js";
import type { AllowListDraft, DeviceEntry } from "./allow-list-format.js";

export interface DeviceReplacement {
  /** The device whose place is taken. */
  readonly replaces: string;
  readonly publicKey: PublicKey;
  /** Default the name of the old one. */
  readonly friendlyName?: string | undefined;
  /** What the new one may do at most; it never gets more than the old one has. */
  readonly scopes?: Scopes | undefined;
  /** Unix seconds, of the new one; an earlier end of the old one holds for both. */
  readonly expiresAt?: number | undefined;
  /** Unix seconds: when the old one ends, so that the other side can go over in between. */
  readonly keepUntil: number;
  /** Unix seconds. */
  readonly now: number;
}

/**
 * A device has a new key (`amesh add --replaces`): the new one takes over every role the old one has, with its
 * name, scopes, binding and end, never more. The old one ends by itself and does not count against the limit of
 * controllers, as its place is the new one's. A person vouches for the new key; nothing in the list can.
 *
 * @returns the new entries, one for each role
 * @throws AmeshError `device_revoked` when either was revoked here, `device_not_found`, `entry_expired`,
 * `device_exists`, also for a device that was replaced already, `allow_list_full`, `invalid_name`
 */
export function replaceDevice(
  draft: AllowListDraft,
  replacement: DeviceReplacement,
): readonly [DeviceEntry, ...DeviceEntry[]] {
  const { replaces, publicKey, keepUntil, now } = replacement;
  const { deviceId } = publicKey;
  for (const id of [replaces, deviceId]) assertNotRevoked(draft, id);
  const present = draft.devices.filter((entry) => entry.deviceId === replaces && entry.status === "active");
  if (present.length === 0) throw notFound(replaces);
  const [first, ...others] = present.filter((entry) => !hasLapsed(entry, now));
  if (first === undefined) throw new AmeshError("entry_expired", `The entry of ${replaces} has expired.`);
  if (draft.devices.some((entry) => entry.deviceId === deviceId))
    throw new AmeshError("device_exists", `${deviceId} is in the allow list already.`);
  const successorOfOld = present.find((entry) => entry.replacedBy !== undefined)?.replacedBy;
  if (successorOfOld !== undefined)
    throw new AmeshError("device_exists", `${successorOfOld} has taken the place of ${replaces} already.`, {
      fix: `If that was wrong, revoke it and pair anew: amesh revoke ${successorOfOld}`,
    });
  const successor = (old: DeviceEntry): DeviceEntry => {
    assertRoom(draft);
    const scopes = narrowerScopes(old.scopes, replacement.scopes);
    const expiresAt = earlier(old.expiresAt, replacement.expiresAt);
    const entry: DeviceEntry = {
      deviceId,
      publicKey: publicKey.base64,
      friendlyName: friendlyName(replacement.friendlyName ?? old.friendlyName),
      role: old.role,
      status: "active",
      addedAt: now,
      addedBy: "manual",
      bound: old.bound,
      ...(scopes && { scopes }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    const ending = {
      ...old,
      expiresAt: earlier(old.expiresAt, keepUntil) as number,
      replacedBy: deviceId,
    };
    draft.devices = [...draft.devices.map((other) => (other === old ? ending : other)), entry];
    return entry;
  };
  return [successor(first), ...others.map(successor)];
}
