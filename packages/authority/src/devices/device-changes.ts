import type { JsonObject } from "@authmesh/core";
import type { AllowListState, DeviceEntry, Tombstone } from "@authmesh/keystore";
import type { StateChange } from "../state-event.js";

/** What came into a list, went out of it, and was written over. */
export interface Difference<Item> {
  readonly added: readonly Item[];
  readonly changed: readonly Item[];
  readonly gone: readonly Item[];
}

export interface DeviceChanges {
  readonly devices: Difference<DeviceEntry>;
  readonly revoked: Difference<Tombstone>;
}

export const deviceChanges = (before: AllowListState, after: AllowListState): DeviceChanges => ({
  devices: difference(before.devices, after.devices, ({ deviceId, role }) => `${deviceId} ${role}`),
  revoked: difference(before.revoked, after.revoked, ({ deviceId }) => deviceId),
});

/** What the audit is told of them (docs/protocol.md, section 13.1). */
export function toldOfDevices({ devices, revoked }: DeviceChanges): readonly StateChange[] {
  const tombstones = [...revoked.added, ...revoked.changed];
  const revokedNow = new Set(tombstones.map(({ deviceId }) => deviceId));
  const removed = devices.gone.filter(({ deviceId }) => !revokedNow.has(deviceId));
  return [
    ...devices.added.map((entry) => told("dev.authmesh.device.added", entry)),
    ...devices.changed.map((entry) => told("dev.authmesh.device.changed", entry)),
    ...removed.map((entry) => told("dev.authmesh.device.removed", entry)),
    ...tombstones.map(({ deviceId, friendlyName }) => ({
      type: "dev.authmesh.device.revoked" as const,
      subject: deviceId,
      data: { device: { name: friendlyName } },
    })),
  ];
}

function told(type: StateChange["type"], entry: DeviceEntry): StateChange {
  const { deviceId, friendlyName: name, role, status, addedBy, scopes, expiresAt } = entry;
  const device: JsonObject = {
    name,
    role,
    status,
    addedBy,
    ...(scopes === undefined ? {} : { scopes: { ...scopes } }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  return { type, subject: deviceId, data: { device } };
}

function difference<Item extends object>(
  before: readonly Item[],
  after: readonly Item[],
  nameOf: (item: Item) => string,
): Difference<Item> {
  const old = new Map(before.map((item) => [nameOf(item), JSON.stringify(item)]));
  const present = new Set(after.map(nameOf));
  return {
    added: after.filter((item) => !old.has(nameOf(item))),
    changed: after.filter((item) => {
      const was = old.get(nameOf(item));
      return was !== undefined && was !== JSON.stringify(item);
    }),
    gone: before.filter((item) => !present.has(nameOf(item))),
  };
}
