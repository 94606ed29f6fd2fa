import { AmeshError } from "@authmesh/core";
import { keyStoreDrivers } from "@authmesh/keystore";
import { audienceOption } from "../audience-option.js";
import type { Call } from "../call.js";
import { create } from "../init/create.js";
import { cancel, finish, forget, prepare } from "../init/migrate.js";
import { replaceLost, takeBack } from "../init/replace-lost.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import type { Verb } from "../verb.js";

const backends = keyStoreDrivers.map(({ info }) => info.name);

interface Way {
  readonly run: (call: Call) => Promise<void>;
  /** Those of `options` that go with it. */
  readonly takes: readonly string[];
}

const aboutKey = ["backend", "module", "token"];
const aboutNew = [...aboutKey, "name", "max-controllers", "audience"];
const options = [...aboutNew, "yes", "force"];
const flags = ["migrate", "finish", "cancel", "forget-previous", "replace-lost"];

/** What `amesh init` does, by the flags that ask for it. */
const ways: Readonly<Record<string, Way>> = {
  "": { run: create, takes: aboutNew },
  migrate: { run: prepare, takes: aboutKey },
  "migrate finish": { run: finish, takes: ["yes"] },
  "migrate cancel": { run: cancel, takes: ["yes"] },
  "migrate forget-previous": { run: forget, takes: ["yes", "force"] },
  "replace-lost": { run: replaceLost, takes: options },
  "cancel replace-lost": { run: takeBack, takes: ["yes"] },
};

export const verb: Verb = {
  manual: {
    description: [
      "Makes a P-256 key pair in the best key store this machine has, identity.json beside it, and an empty allow list. Overwrites nothing, and asks nothing but the PIN of a token.",
      "Where AMESH_TPM is set and that TPM cannot be used, nothing is made, unless --backend names another key store.",
      "The encrypted-file key store needs a passphrase. With neither AUTH_MESH_PASSPHRASE nor AMESH_PASSPHRASE_FILE set, one is generated and kept in a file beside the key; a warning says what that does not protect against.",
      "The pkcs11 key store makes the key in a token (smart card, USB token, HSM) through the token's module. The PIN comes from AMESH_PIN, from the file that AMESH_PIN_FILE names, or from a prompt.",
      "--migrate moves an identity that works to a better key store. A new key is a new device id, so it goes in steps: --migrate makes the key and shows what to run on which machine, --migrate --finish goes over to it once they know it, --migrate --forget-previous deletes the old key, --migrate --cancel the new one before that. Each can be run again.",
      "--replace-lost is for a key that is gone: a TPM that was cleared, a file or a passphrase that is lost. The machine gets a new key and an empty allow list; name, audience and limit are those of the flags, but for the name. What other machines must do is shown and kept in replace-lost.txt. Nothing is deleted: --replace-lost --cancel takes the lost key back, should it sign again. The new key comes into a key store of the same kind, or into the one that --backend names.",
    ],
    options: [
      { flags: "--name NAME", about: "how other machines will see this one (default: its host name)" },
      { flags: "--backend NAME", about: `key store: ${backends.join(", ")} (default: the best one found)` },
      { flags: "--module PATH", about: "pkcs11: the token's module, an absolute path" },
      { flags: "--token NAME", about: "pkcs11: the token's label or serial number (default: the only one)" },
      { flags: "--max-controllers N", about: "how many controllers this machine accepts (default 1)" },
      audienceOption,
      { flags: "--migrate", about: "move to another key store: make the new key" },
      { flags: "--finish", about: "with --migrate: use the new key from now on" },
      {
        flags: "--cancel",
        about:
          "with --migrate: delete the new key, which is not in use yet; with --replace-lost: take the lost key back",
      },
      { flags: "--forget-previous", about: "with --migrate: delete the old key" },
      { flags: "--replace-lost", about: "replace a key that is gone" },
      { flags: "--yes", about: "with --finish, --cancel, --forget-previous, --replace-lost: do not ask" },
      {
        flags: "--force",
        about:
          "with --replace-lost --yes: also a key that may come back; with --forget-previous: also one that came back, or whose key store is gone",
      },
    ],
    environment: keyStoreEnvironment,
    examples: [
      ['amesh init --name "My Laptop"', "a machine that will call others"],
      ['amesh init --name "prod-api" --audience api.example.com', "a server, named as its callers name it"],
      [
        'AUTH_MESH_DIR=/tmp/a amesh init --name "service-a" --backend encrypted-file',
        "a second identity, to try things",
      ],
      [
        "amesh init --backend pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token amesh",
        "a key in a token; asks for the PIN",
      ],
      ["amesh init --migrate", "after a TPM was switched on: what must be run where"],
      ["amesh init --migrate --finish --yes", "once every peer knows the new key, in a script"],
      ["amesh init --replace-lost --audience api.example.com", "after the TPM was cleared"],
    ],
    exit: [
      ["0", "done"],
      [
        "1",
        "there is an identity already, a file or key store cannot be used, another step of a migration comes first, or the answer was no",
      ],
      ["2", "an option cannot be read, or there is no terminal to ask on"],
      ["4", "there is no identity to move or replace, or a passphrase, a PIN or a package is missing"],
    ],
  },

  async run(call) {
    const asked = flags.filter((flag) => call.has(flag));
    const way = ways[asked.join(" ")];
    const unfit = options.filter((option) => call.has(option) && way?.takes.includes(option) === false);
    if (way === undefined || unfit.length > 0) {
      const named = [...asked, ...unfit].map((name) => `--${name}`).join(", ");
      throw new AmeshError("invalid_option", `These options do not go together here: ${named}.`, {
        fix: "`amesh init --help` explains the command.",
      });
    }
    await way.run(call);
    return undefined;
  },
};
