import type { JsonValue } from "@authmesh/core";
import { type AllowListContents, readDeviceList } from "@authmesh/keystore";
import type { DeviceChanges } from "../devices/device-changes.js";
import type { Database, Work } from "./tables.js";

/** So many devices fit; what each may do is for policy, so that there is no other limit. */
const most = 10_000;

/** The list of devices as rows. @throws AmeshError `allow_list_damaged` */
export async function readDevices(database: Database | Work, generation: number): Promise<AllowListContents> {
  const devices = await database.selectFrom("devices").select("entry").execute();
  const revoked = await database.selectFrom("revoked_devices").select("entry").execute();
  const parsed = (rows: readonly { readonly entry: string }[]) => rows.map(({ entry }) => parse(entry));
  const list = {
    version: 1,
    generation: Math.max(1, generation),
    maxControllers: most,
    devices: parsed(devices),
    revoked: parsed(revoked),
    consumed: [],
    updatedAt: 0,
  };
  return readDeviceList(list, "The authority's list of devices");
}

/** Writes what differs, and nothing else: a list may be long, and a change is short. */
export async function writeDevices(work: Work, { devices, revoked }: DeviceChanges): Promise<void> {
  for (const { deviceId, role } of devices.gone)
    await work.deleteFrom("devices").where("device_id", "=", deviceId).where("role", "=", role).execute();
  for (const device of [...devices.added, ...devices.changed]) {
    const entry = JSON.stringify(device);
    await work
      .insertInto("devices")
      .values({ device_id: device.deviceId, role: device.role, entry })
      .onConflict((conflict) => conflict.columns(["device_id", "role"]).doUpdateSet({ entry }))
      .execute();
  }
  for (const { deviceId } of revoked.gone)
    await work.deleteFrom("revoked_devices").where("device_id", "=", deviceId).execute();
  for (const tombstone of [...revoked.added, ...revoked.changed]) {
    const entry = JSON.stringify(tombstone);
    await work
      .insertInto("revoked_devices")
      .values({ device_id: tombstone.deviceId, entry })
      .onConflict((conflict) => conflict.column("device_id").doUpdateSet({ entry }))
      .execute();
  }
}

/** What is not even JSON is no entry, and `readDeviceList` says so. */
function parse(entry: string): JsonValue {
  try {
    return JSON.parse(entry) as JsonValue;
  } catch {
    return null;
  }
}
