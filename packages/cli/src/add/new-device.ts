import { AmeshError, friendlyName, quoteForeign, type Role } from "@authmesh/core";
import {
  type AllowListDraft,
  type AllowListState,
  addDevice,
  controllersInTheWay,
  type NewDevice,
  setMaxControllers,
} from "@authmesh/keystore";
import type { Call } from "../call.js";
import { describeReplaced, done, formatDevice } from "../layout.js";
import { readMaxControllers } from "../max-controllers-option.js";
import { openMachine } from "../open-machine.js";
import { unixSeconds } from "../time.js";
import { describeLimits, readEntryOptions, required } from "./entry-options.js";

/** `amesh add`: a device that is not here yet, or another entry for one that is. */
export async function addNewDevice(call: Call): Promise<void> {
  const { terminal } = call;
  const wanted = await readNewDevice(call);
  const { list } = await openMachine(call);
  const device = { deviceId: wanted.publicKey.deviceId, friendlyName: wanted.friendlyName };
  const maxControllers = readMaxControllers(call);
  const inTheWayOf = (state: Pick<AllowListState, "devices" | "maxControllers">) =>
    wanted.role === "target"
      ? []
      : controllersInTheWay(
          { devices: state.devices, maxControllers: maxControllers ?? state.maxControllers },
          device.deviceId,
          wanted.now,
        );
  const inTheWay = inTheWayOf(list.state);
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
  const { entry, act, replaced } = await list.update((draft) => {
    const act = hasEntry(draft, device.deviceId, wanted.role) ? "updated" : "added";
    const replaced = inTheWayOf(draft);
    if (maxControllers !== undefined) setMaxControllers(draft, maxControllers);
    return { act, replaced, entry: addDevice(draft, { ...wanted, replace }) };
  });
  terminal.answer({ [act]: entry, ...(replaced.length > 0 && { replaced }) }, () =>
    [
      done(`${formatDevice(entry)} ${act} as ${entry.role}.${describeLimits(entry)}`),
      ...replaced.map(describeReplaced),
    ].join("\n"),
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
