import { AmeshError, friendlyName, quoteForeign, type Role } from "@authmesh/core";
import { type AllowListDraft, addDevice, controllersInTheWay, type NewDevice } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { done, formatDevice } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { unixSeconds } from "../time.js";
import { describeLimits, readEntryOptions, required } from "./entry-options.js";

/** `amesh add`: a device that is not here yet, or another entry for one that is. */
export async function addNewDevice(call: Call): Promise<void> {
  const { terminal } = call;
  const wanted = await readNewDevice(call);
  const { list } = await openMachine(call);
  const device = { deviceId: wanted.publicKey.deviceId, friendlyName: wanted.friendlyName };
  const inTheWay =
    wanted.role === "controller" ? controllersInTheWay(list.state, device.deviceId, wanted.now) : [];
  if (!call.flag("yes")) {
    const question = `Add ${formatDevice(device)} as ${wanted.role}?`;
    await terminal.questions.require(question, "Give --yes to add it without being asked.");
  }
  const replace =
    call.flag("replace") ||
    (inTheWay.length > 0 &&
      !call.flag("yes") &&
      (await terminal.questions.agrees(
        `Let it take the place of ${inTheWay.map(formatDevice).join(", ")}?`,
      )));
  const { entry, act } = await list.update((draft) => {
    const act = hasEntry(draft, device.deviceId, wanted.role) ? "updated" : "added";
    return { act, entry: addDevice(draft, { ...wanted, replace }) };
  });
  terminal.answer({ [act]: entry }, () =>
    done(`${formatDevice(entry)} ${act} as ${entry.role}.${describeLimits(entry)}`),
  );
}

async function readNewDevice(call: Call): Promise<NewDevice> {
  const name = friendlyName(required(call, "name"));
  const now = unixSeconds();
  return {
    ...(await readEntryOptions(call, now)),
    friendlyName: name,
    role: readRole(call),
    status: "active",
    addedBy: "manual",
    bound: false,
    now,
  };
}

function readRole(call: Call): Role {
  const role = call.text("role") ?? "controller";
  if (role === "controller" || role === "target") return role;
  throw new AmeshError("invalid_option", `--role is controller or target, not ${quoteForeign(role)}.`);
}

const hasEntry = ({ devices }: AllowListDraft, deviceId: string, role: Role): boolean =>
  devices.some((entry) => entry.deviceId === deviceId && entry.role === role);
