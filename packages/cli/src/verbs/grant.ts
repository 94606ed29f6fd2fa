import { AmeshError, parseScopes } from "@authmesh/core";
import { findDevice, setScopes } from "@authmesh/keystore";
import { authorityOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice, formatScopes } from "../layout.js";
import { listCommand, openMachine } from "../open-machine.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      'Sets what a controller may do on this machine, in the place of what it was granted before. Scopes matter where a route requires one: amesh.verify({ scope: "orders:w" }). A device without the scope is refused there with 403.',
      "A scope is NAME:r to read or NAME:rw to read and write; the name * stands for every name without a grant of its own. An empty text takes every scope away.",
    ],
    arguments: [
      { name: "ID|NAME", about: "device id, or its name if no other device bears it" },
      { name: "SCOPES", about: "separated by commas" },
    ],
    options: [authorityOption],
    environment: keyStoreEnvironment,
    examples: [
      ["amesh grant am_1a2b3c4d5e6f7a8b orders:rw,profile:r", "write orders, read profiles"],
      ['amesh grant "Dev Laptop" ""', "nothing beyond being known"],
    ],
    exit: [
      ["0", "granted"],
      ["1", "there is no such controller"],
      ["2", "the scopes cannot be read, or several devices bear the name"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const [name = "", text = ""] = call.args;
    const scopes = parseScopes(text);
    const { list } = await openMachine(call);
    const device = findDevice(list.state, name).find(({ role }) => role === "controller");
    if (device === undefined)
      throw new AmeshError(
        "device_not_found",
        "This device is listed as target only: it cannot call this machine.",
      );
    const { deviceId, friendlyName } = device;
    await list.update((draft) => setScopes(draft, { deviceId, scopes }));
    call.terminal.answer({ granted: { deviceId, friendlyName, scopes } }, () =>
      done(`${formatDevice(device)} may now: ${formatScopes(scopes) || "nothing that requires a scope"}.`),
    );
    call.terminal.next(listCommand(call));
    return undefined;
  },
};
