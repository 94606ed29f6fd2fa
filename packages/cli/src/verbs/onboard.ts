import { onboard } from "@authmesh/sdk/enroll";
import { accountArgument } from "../enroll/account-argument.js";
import { claimEnvironment, claimExit, claimOptions, runClaim } from "../enroll/claim-run.js";
import { readNewMachine } from "../enroll/new-machine.js";
import { readSecretInput } from "../enroll/secret-input.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Claims an account by its first secret, and makes this machine its root: it may do everything in the account, and lets other machines in. Makes the identity of this machine if there is none; its key is stored durably before anything is sent. The secret is dead afterwards for every other machine.",
      "Interrupted, it can be run again with the same secret, from the same folder. Shows recovery codes once, before anything is sent: each brings the account back, by `amesh recover`, should every root be lost. Offers a backup of the key, where it is software.",
      "The secret comes from `amesh register`, or from who runs the authority (`amesh authority account create`). It is read from a file, standard input or a question, and is never an argument.",
    ],
    arguments: [accountArgument],
    options: [
      { flags: "--secret-file FILE|-", about: "a file that holds the secret, or - for standard input" },
      ...claimOptions,
    ],
    environment: claimEnvironment,
    examples: [
      ["amesh onboard @acme --authority https://issuer.example.com", "asks for the secret"],
      [
        "amesh onboard @acme --secret-file secret.txt --recovery-codes-file codes.txt --no-input",
        "in a script",
      ],
    ],
    exit: claimExit("secret"),
  },

  async run(call) {
    const machine = readNewMachine(call, {
      account: call.args[0] ?? "",
      appName: call.text("app") ?? "amesh",
    });
    await runClaim(call, async (keepRecoveryCodes) => {
      const secret = await readSecretInput(call, { option: "secret-file", what: "Secret of the account" });
      return onboard({ ...machine, secret, keepRecoveryCodes });
    });
    return undefined;
  },
};
