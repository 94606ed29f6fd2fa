import { hostname } from "node:os";
import { isoTime } from "@authmesh/core";
import { recover } from "@authmesh/sdk/enroll";
import { accountArgument } from "../enroll/account-argument.js";
import { claimEnvironment, claimExit, claimOptions, runClaim } from "../enroll/claim-run.js";
import { readNewMachine } from "../enroll/new-machine.js";
import { readSecretInput } from "../enroll/secret-input.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Claims an account again by one of its recovery codes, and makes this machine a further root of it. The enrollments that there are stay as they are: revoke those of machines that are lost. Makes the identity of this machine if there is none.",
      "A code works once, and is read from a file, standard input or a question. Shows new recovery codes, before anything is sent: they take the place of those left.",
    ],
    arguments: [accountArgument],
    options: [
      { flags: "--code-file FILE|-", about: "a file that holds the recovery code, or - for standard input" },
      ...claimOptions,
    ],
    environment: claimEnvironment,
    examples: [
      ["amesh recover @acme --authority https://issuer.example.com", "asks for a recovery code"],
      ["amesh recover @acme --code-file - --recovery-codes-file new.txt < code.txt", "in a script"],
    ],
    exit: claimExit("code"),
  },

  async run(call) {
    const machine = readNewMachine(call, {
      account: call.args[0] ?? "",
      appName: call.text("app") ?? "amesh",
      // The machine that was lost may have been this one, and its enrollment has its name still.
      deviceName: `${hostname().slice(0, 55)}-${isoTime(unixSeconds()).slice(0, 10).replaceAll("-", "")}`,
    });
    await runClaim(call, async (keepRecoveryCodes) => {
      const code = await readSecretInput(call, { option: "code-file", what: "Recovery code" });
      return recover({ ...machine, code, keepRecoveryCodes });
    });
    return undefined;
  },
};
