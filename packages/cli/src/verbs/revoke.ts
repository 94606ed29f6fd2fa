import { deviceIdForm } from "@authmesh/core/records";
import { type DeviceEntry, findDevice, revokeDevice } from "@authmesh/keystore";
import { authorityOption } from "../authority/open-authority.js";
import type { Call } from "../call.js";
import { everywhereEnvironment, everywhereOptions, type Fleet, fleetOf, usage } from "../fleet.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice } from "../layout.js";
import { listCommand, type Machine, openMachine } from "../open-machine.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Removes a device from the allow list, in every role it has, and seals the list anew. Servers that run on this machine refuse its requests within half a second. The device stays on record as revoked: only pairing with it as controller, by `amesh listen` here, trusts it again.",
      "A device that took the place of another (`amesh add --replaces`) is revoked together with that one: they are one machine. Asks before it does so. Other machines keep their own lists; revoke the device there too, or everywhere at once.",
      "With --everywhere it is announced to every verifier that follows the same Redis (amesh.verify({ revocations })). Those that grant this machine __manage:rw, name it in `revokers`, or run under its identity, refuse the device within a second; the others do not believe it. Pairing anew does not lift that: --undo does, on the machine that revoked. A machine that revokes itself needs --yes for it, and stays revoked.",
    ],
    arguments: [{ name: "ID|NAME", about: "device id, or its name if no other device bears it" }],
    options: [{ flags: "--yes", about: "do not ask" }, ...everywhereOptions, authorityOption],
    environment: [...everywhereEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh revoke am_1a2b3c4d5e6f7a8b", "by id"],
      ['amesh revoke "Dev Laptop" --yes', "by name, in a script"],
      [
        "amesh revoke am_1a2b3c4d5e6f7a8b --everywhere --reason stolen",
        "at every server that shares the Redis",
      ],
      ["amesh revoke am_1a2b3c4d5e6f7a8b --everywhere --undo", "take that back"],
    ],
    exit: [
      ["0", "the device is revoked"],
      ["1", "there is no such device, or the answer was no"],
      ["2", "several devices bear the name, or there is no terminal to ask on"],
      ["4", "there is no identity yet, or no client library for Redis"],
      ["5", "the Redis cannot be asked"],
    ],
  },

  async run(call) {
    const fleet = fleetOf(call);
    const machine = await openMachine(call);
    if (fleet?.undo) return takeBack(call, machine, fleet);
    const { terminal } = call;
    const { list, identity } = machine;
    const [device, ...others] = entriesOf(call, machine, fleet);
    const { deviceId, friendlyName } = device;
    const roles = [device, ...others].flatMap(({ role }) => role ?? []);
    const isOneself = deviceId === identity.publicKey.deviceId;
    if (fleet !== undefined && isOneself) {
      if (!call.flag("yes"))
        throw usage(`${deviceId} is this machine, and ${oneselfForGood}. Give --yes to do it.`);
      terminal.warn(`${deviceId} is this machine; ${oneselfForGood}`);
    }
    const shown = friendlyName === undefined ? deviceId : formatDevice({ deviceId, friendlyName });
    if (!call.flag("yes")) {
      const places = [
        ...(roles.length === 0 ? [] : [`[${roles.join("] [")}] from the allow list`]),
        ...(fleet === undefined ? [] : ["from every server of the fleet that believes this machine"]),
      ];
      const question = `Remove ${shown} ${places.join(", and ")}?`;
      await terminal.questions.require(question, "Give --yes to revoke without being asked.");
    }
    const replaced = roles.length === 0 ? [] : await removeHere(list, deviceId);
    const everywhere = fleet === undefined ? {} : { everywhere: true };
    for (const id of fleet === undefined ? [] : [deviceId, ...replaced]) await fleet?.tell(identity, id);
    const told =
      fleet === undefined
        ? "revoked"
        : roles.length === 0
          ? "announced as revoked"
          : "revoked here, and announced as revoked";
    terminal.answer(
      { revoked: { deviceId, friendlyName: friendlyName ?? null, roles }, replaced, ...everywhere },
      () =>
        [
          done(`${shown} ${told}.`),
          ...replaced.map((id) =>
            done(
              `${id}, whose place it had taken, revoked too${fleet === undefined ? "" : ", and announced"}.`,
            ),
          ),
          ...(fleet === undefined ? [] : [believers]),
        ].join("\n"),
    );
    terminal.next(
      call.text("authority") === undefined
        ? listCommand(call)
        : `amesh revoke-token --sub svc://device/${deviceId} --reason "device revoked", for tokens that it has already`,
    );
    return undefined;
  },
};

const oneselfForGood = "nobody can take back what a machine said of itself";

const believers =
  "Of the servers that follow this Redis those refuse it within a second that grant this machine __manage:rw, name it in `revokers`, or run under its identity.";

type Entry = Pick<DeviceEntry, "deviceId"> & Partial<Pick<DeviceEntry, "friendlyName" | "role">>;

/** The entries of the device that is named. A fleet may be told of one that is not in the list, by its id. */
function entriesOf(call: Call, { list }: Machine, fleet: Fleet | undefined): readonly [Entry, ...Entry[]] {
  const name = call.args[0] ?? "";
  const unlisted = list.state.devices.every(({ deviceId }) => deviceId !== name);
  if (fleet !== undefined && unlisted && deviceIdForm.test(name)) return [{ deviceId: name }];
  return findDevice(list.state, name);
}

/** @returns the ids of devices whose place it had taken, which are revoked with it */
async function removeHere(list: Machine["list"], deviceId: string): Promise<readonly string[]> {
  const removed = await list.update((draft) => revokeDevice(draft, { deviceId, now: unixSeconds() }));
  return [...new Set(removed.map((entry) => entry.deviceId))].filter((id) => id !== deviceId);
}

async function takeBack(call: Call, machine: Machine, fleet: Fleet): Promise<undefined> {
  const { terminal } = call;
  const [{ deviceId }] = entriesOf(call, machine, fleet);
  if (deviceId === machine.identity.publicKey.deviceId)
    throw usage(`${deviceId} is this machine, and ${oneselfForGood}.`);
  if (!call.flag("yes"))
    await terminal.questions.require(
      `Tell every server of the fleet that ${deviceId} is not revoked any more?`,
      "Give --yes to do it without being asked.",
    );
  const others = await fleet.tell(machine.identity, deviceId);
  if (others.length > 0)
    terminal.warn(`revoked by ${others.join(", ")}, too; what those say only they take back`);
  if (machine.list.state.revoked.some((each) => each.deviceId === deviceId))
    terminal.warn("this machine's own list still says revoked; pairing with the device anew trusts it here");
  terminal.answer({ unrevoked: { deviceId }, others }, () =>
    done(`${deviceId} is no longer revoked by this machine.`),
  );
  return undefined;
}
