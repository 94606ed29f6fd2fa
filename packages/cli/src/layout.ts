import type { Scopes } from "@authmesh/core";
import type { DeviceEntry, Identity } from "@authmesh/keystore";

/** How things look in the output of several verbs. */

/** Rows of a label and its value. */
export function fields(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)} : ${value}`).join("\n");
}

/** "2026-03-30", in UTC. @param seconds Unix seconds */
export const formatDate = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10);

/** "orders:rw,profile:r", as `amesh grant` takes it. */
export const formatScopes = (scopes: Scopes): string =>
  Object.entries(scopes)
    .map(([name, access]) => `${name}:${access}`)
    .join(",");

/** `"Dev Laptop"`: a quotation mark within is escaped, so that no name looks like a name and an id. */
export const formatName = (friendlyName: string): string => JSON.stringify(friendlyName);

/** `"Dev Laptop" (am_cOixWcOdI8-pLh4P)` */
export const formatDevice = ({
  friendlyName,
  deviceId,
}: Pick<DeviceEntry, "friendlyName" | "deviceId">): string => `${formatName(friendlyName)} (${deviceId})`;

/** Says who lost access. */
export const describeReplaced = (device: Pick<DeviceEntry, "friendlyName" | "deviceId">): string =>
  `${formatDevice(device)} was replaced: it may not call this machine any more.`;

/** An identity as documents under --json show it. */
export const identityDocument = ({ deviceId, publicKey, friendlyName, backend, createdAt }: Identity) => ({
  deviceId,
  publicKey,
  friendlyName,
  backend,
  createdAt,
});

export const done = (what: string): string => `✔ ${what}`;
