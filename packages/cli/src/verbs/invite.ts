import { invite } from "@authmesh/sdk/pairing";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice, formatName } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { type PairingTexts, pairingExit, relayOption, runPairing } from "../pairing-run.js";
import type { Terminal } from "../terminal/terminal.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Pairs this machine, as controller, with a target that shows a pairing code: afterwards this machine may call it. Shows a verification code, to be typed on the target, and waits until the target says so.",
      "That the target said yes does not prove that a person there did: compare what this command prints at the end with what the target shows.",
      "With --json every event is one line: sas (the verification code), paired.",
    ],
    arguments: [{ name: "CODE", about: "the six digits that `amesh listen` shows on the target" }],
    options: [relayOption],
    environment: [["AMESH_RELAY_URL", "used where --relay is not given"], ...keyStoreEnvironment],
    examples: [
      ["amesh invite 482916", "with the code shown on the target"],
      ["amesh invite 482916 --relay ws://your-server:3001/ws", "at the relay that the target uses"],
    ],
    exit: pairingExit,
  },

  async run(call) {
    const { terminal } = call;
    const { identity } = await openMachine(call);
    const relay = call.text("relay");
    await runPairing(terminal, textsOf(terminal, identity.identity.friendlyName), (signal) =>
      invite(call.args[0] ?? "", { identity, signal, ...(relay === undefined ? {} : { relay }) }),
    );
    terminal.next("amesh request GET URL");
    return undefined;
  },
};

function textsOf({ paint }: Terminal, ownName: string): PairingTexts {
  return {
    sas: ({ code, ...target }) => `
  Verification code: ${paint("bold", code)}

  Type it on the target, ${formatDevice(target)}, where \`amesh listen\` asks for it.

Waiting for target to confirm verification code...`,
    paired: ({
      friendlyName,
      deviceId,
      updated,
    }) => `${paint("green", done(`${formatName(friendlyName)} ${updated ? "updated" : "added"} as target.`))}

  Its id is ${deviceId}. It must now show ${formatName(ownName)} as controller.
  If it does not, run here: amesh revoke ${deviceId}
`,
  };
}
