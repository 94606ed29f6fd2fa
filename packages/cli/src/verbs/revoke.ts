import { findDevice, revokeDevice } from "@authmesh/keystore";
import { authorityOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice } from "../layout.js";
import { listCommand, openMachine } from "../open-machine.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Removes a device from the allow list, in every role it has, and seals the list anew. Servers that run on this machine refuse its requests within half a second. The device stays on record as revoked: only pairing with it as controller, by `amesh listen` here, trusts it again.",
      "A device that took the place of another (`amesh add --replaces`) is revoked together with that one: they are one machine. Asks before it does so. Other machines keep their own lists; revoke the device there too.",
    ],
    arguments: [{ name: "ID|NAME", about: "device id, or its name if no other device bears it" }],
    options: [{ flags: "--yes", about: "do not ask" }, authorityOption],
    environment: keyStoreEnvironment,
    examples: [
      ["amesh revoke am_1a2b3c4d5e6f7a8b", "by id"],
      ['amesh revoke "Dev Laptop" --yes', "by name, in a script"],
    ],
    exit: [
      ["0", "the device is revoked"],
      ["1", "there is no such device, or the answer was no"],
      ["2", "several devices bear the name, or there is no terminal to ask on"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const { list } = await openMachine(call);
    const [device, ...others] = findDevice(list.state, call.args[0] ?? "");
    const roles = [device, ...others].map(({ role }) => role);
    const shown = formatDevice(device);
    if (!call.flag("yes")) {
      const question = `Remove ${shown} [${roles.join("] [")}] from the allow list?`;
      await terminal.questions.require(question, "Give --yes to revoke without being asked.");
    }
    const { deviceId, friendlyName } = device;
    const removed = await list.update((draft) => revokeDevice(draft, { deviceId, now: unixSeconds() }));
    const earlier = removed.filter((entry) => entry.deviceId !== deviceId);
    const replaced = [...new Set(earlier.map((entry) => entry.deviceId))];
    terminal.answer({ revoked: { deviceId, friendlyName, roles }, replaced }, () =>
      [
        done(`${shown} revoked.`),
        ...replaced.map((id) => done(`${id}, whose place it had taken, revoked too.`)),
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
