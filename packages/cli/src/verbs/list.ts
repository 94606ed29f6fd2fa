import type { DeviceEntry, OpenIdentity } from "@authmesh/keystore";
import { authorityOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { fields, formatDate, formatScopes, identityDocument } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Shows this machine's identity and the devices in its allow list, each with its role: a [controller] may call this machine, a [target] may be called by it. A device whose pairing is not complete is marked [pending] and counts as unknown.",
    ],
    options: [authorityOption],
    environment: keyStoreEnvironment,
    examples: [
      ["amesh list", "everything"],
      ["amesh list --json | jq -r '.devices[].deviceId'", "the ids alone"],
    ],
    exit: [
      ["0", "the list is shown"],
      ["1", "the allow list cannot be trusted; `amesh doctor` says why"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const { identity, list } = await openMachine(call);
    const { devices } = list.state;
    call.terminal.answer({ device: identityDocument(identity.identity), devices }, () =>
      [describeThis(identity), describeDevices(devices)].join("\n\n"),
    );
    return undefined;
  },
};

const rule = `  ${"─".repeat(55)}`;

function describeThis({ identity, keyStore }: OpenIdentity): string {
  const rows = fields([
    ["Device ID", identity.deviceId],
    ["Friendly Name", identity.friendlyName],
    ["Backend", keyStore.info.label],
    ["Created", formatDate(identity.createdAt)],
  ]);
  return `  This device\n${rule}\n${rows}`;
}

function describeDevices(devices: readonly DeviceEntry[]): string {
  if (devices.length === 0) {
    return "  No trusted devices yet.\n  Pair with another device using `amesh listen` + `amesh invite`.";
  }
  const width = Math.max(20, ...devices.map(({ friendlyName }) => [...friendlyName].length));
  return [
    `  Trusted Devices (${devices.length})`,
    rule,
    ...devices.map((device) => describe(device, width)),
    rule,
    "  • [controller] — this device can authenticate TO you",
    "  • [target] — you can authenticate TO this device, but it cannot authenticate back to you",
  ].join("\n");
}

function describe(device: DeviceEntry, nameWidth: number): string {
  const { deviceId, friendlyName, role, status, addedAt, expiresAt, scopes } = device;
  const padding = " ".repeat(nameWidth - [...friendlyName].length);
  const remarks = [
    `added ${formatDate(addedAt)}`,
    ...(status === "pending" ? ["[pending]"] : []),
    ...(expiresAt === undefined
      ? []
      : [`${expiresAt > unixSeconds() ? "expires" : "expired"} ${formatDate(expiresAt)}`]),
    ...(scopes === undefined ? [] : [`scopes ${formatScopes(scopes) || "none"}`]),
  ];
  return `  ${deviceId}  ${friendlyName}${padding}  ${`[${role}]`.padEnd(12)}   ${remarks.join("   ")}`;
}
