import { AmeshError } from "@authmesh/core";
import { listen } from "@authmesh/sdk/pairing";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { pairingExit, relayOption, runPairing } from "../pairing-run.js";
import type { Verb } from "../verb.js";
import { textsOf } from "./listen.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lets one device pair with the authority: afterwards it may ask the authority for tokens. Shows a pairing code that lives 60 seconds; give it to `amesh invite` on the device. That command shows a verification code in turn, which is typed here. The authority may run meanwhile; every replica knows the device within a second.",
      "What the device may mint is for the rules in the authority's policy to say, by its device id.",
    ],
    options: [dirOption, relayOption],
    environment: [
      ["AMESH_RELAY_URL", "used where --relay is not given"],
      ...authorityEnvironment,
      ...keyStoreEnvironment,
    ],
    examples: [["amesh authority pair --dir /var/lib/amesh", "on the authority's machine"]],
    exit: pairingExit,
  },

  async run(call) {
    const { terminal } = call;
    const { questions } = terminal;
    if (!questions.mayAsk)
      throw new AmeshError("input_required", "The verification code has to be typed here.", {
        fix: "Run it without --no-input; without a terminal the code is read from standard input.",
      });
    const { identity, devices } = await openAuthority(call);
    const relay = call.text("relay");
    await runPairing(terminal, textsOf(terminal, relay), (signal) =>
      listen({
        identity,
        devices,
        signal,
        ...(relay === undefined ? {} : { relay }),
        verificationCode: () =>
          questions.line("Verification code shown there: ", "Write the verification code to standard input."),
      }),
    );
    terminal.next("add a rule for the device under mint in the authority's policy.yaml");
    return undefined;
  },
};
