import { AmeshError } from "@authmesh/core";
import { addNewDevice } from "../add/new-device.js";
import { addSuccessor } from "../add/successor.js";
import { authorityOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { maxControllersOption } from "../max-controllers-option.js";
import { listCommand } from "../open-machine.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Adds a device by its public key, as PEM, JWK or base64, without a pairing: for a caller that has no amesh command and signs with a program of its own, by docs/protocol.md. Shows the device id and asks; compare the id with what the device's owner tells you over a channel you trust.",
      "Such a program may not bind its requests to a host, so the device is let in also without that; amesh.verify({ requireHostBinding: true }) refuses it then.",
      "With --replaces, a device that is here has a new key: the new one takes over its roles, name, scopes, binding and end, never more, and the old one ends by itself after seven days. `amesh init --migrate` on that device shows the line to run.",
    ],
    options: [
      { flags: "--name NAME", about: "how the device is called here (with --replaces: as the old one)" },
      { flags: "--public-key FILE", about: "file with the key, - for standard input" },
      {
        flags: "--role ROLE",
        about: "controller: it may call this machine; target: this machine may call it (default controller)",
      },
      { flags: "--scope SCOPE", about: "what it may do, such as orders:rw", repeatable: true },
      {
        flags: "--expires DURATION",
        about: "end the entry after so long: 90d, 12h (default: it does not end)",
      },
      { flags: "--replace", about: "let it take the place of the controllers that are in the way" },
      maxControllersOption,
      { flags: "--replaces ID", about: "the device that has this new key now, by its old id" },
      { flags: "--keep DURATION", about: "with --replaces: end the old entry after so long (default 7d)" },
      { flags: "--yes", about: "do not ask" },
      authorityOption,
    ],
    environment: keyStoreEnvironment,
    examples: [
      ['amesh add --name "billing" --public-key billing.pem', "a controller, after a question"],
      [
        'amesh add --name "billing" --public-key billing.pem --max-controllers 2',
        "beside the controller that is here",
      ],
      ['openssl pkey -in key.pem -pubout | amesh add --name "billing" --public-key - --yes', "in a script"],
      [
        'amesh add --name "ci" --public-key ci.jwk --scope orders:r --expires 90d',
        "for ninety days, to read orders",
      ],
      [
        "echo KEY | amesh add --public-key - --replaces am_1a2b3c4d5e6f7a8b --yes",
        "a device that moved to a better key store",
      ],
    ],
    exit: [
      ["0", "the device is in the allow list"],
      ["1", "the limit of controllers is reached, there is nothing to replace, or the answer was no"],
      ["2", "an option or the key cannot be read, or there is no terminal to ask on"],
      [
        "3",
        "the device was revoked here (only pairing by `amesh listen` trusts it again), its entry has expired, or it is this machine itself",
      ],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const replaces = call.has("replaces");
    if (!replaces && call.has("keep")) throw new AmeshError("invalid_option", "--keep goes with --replaces.");
    await (replaces ? addSuccessor(call) : addNewDevice(call));
    call.terminal.next(listCommand(call));
    return undefined;
  },
};
