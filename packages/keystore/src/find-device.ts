import { AmeshError, quoteForeign } from "@authmesh/core";
import type { DeviceEntry } from "./allow-list-format.js";

/**
 * The device that a person names: by its id, or by its friendly name if only one device bears it.
 *
 * @returns its entries, one for each role it has; at least one
 * @throws AmeshError `device_not_found`, `device_name_ambiguous`
 */
export function findDevice(
  list: { readonly devices: readonly DeviceEntry[] },
  idOrName: string,
): readonly [DeviceEntry, ...DeviceEntry[]] {
  const byId = list.devices.filter(({ deviceId }) => deviceId === idOrName);
  const named = byId.length > 0 ? byId : list.devices.filter(({ friendlyName }) => friendlyName === idOrName);
  const ids = new Set(named.map(({ deviceId }) => deviceId));
  if (ids.size > 1) {
    const several = `Several devices are called ${quoteForeign(idOrName)}: ${[...ids].join(", ")}.`;
    throw new AmeshError("device_name_ambiguous", several);
  }
  const [first, ...others] = list.devices.filter(({ deviceId }) => ids.has(deviceId));
  if (first === undefined)
    throw new AmeshError("device_not_found", `${quoteForeign(idOrName)} is not in the allow list.`);
  return [first, ...others];
}
