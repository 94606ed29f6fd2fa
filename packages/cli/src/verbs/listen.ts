import { AmeshError } from "@authmesh/core";
import { type DeviceList, setAudience } from "@authmesh/keystore";
import { listen, type PairingEvent } from "@authmesh/sdk/pairing";
import { audienceOption, readAudience } from "../audience-option.js";
import { audienceWarning } from "../audience-warning.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { describeReplaced, done, formatDevice, formatName } from "../layout.js";
import { maxControllersOption, readMaxControllers } from "../max-controllers-option.js";
import { openMachine } from "../open-machine.js";
import { type PairingTexts, pairingExit, relayOption, runPairing } from "../pairing-run.js";
import type { Terminal } from "../terminal/terminal.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lets one other machine pair with this one, as a controller: afterwards it may call this machine, and not the other way round. Shows a pairing code that lives 60 seconds; give it to `amesh invite` there. That command shows a verification code in turn, which is typed here: it is what keeps anybody from standing in between.",
      "A machine accepts one controller unless --max-controllers says otherwise, here or at `amesh init`; it takes effect as the two are paired, and stays. When another one comes, you are asked whether it takes the present one's place. Pairing with a known device updates its entry. --audience takes the place of the hosts set before, once the two are paired; until then, and if they are not, those stay.",
      "Without a terminal the verification code is read as one line from standard input. With --json every event is one line: code, peer, verify, mismatch, paired.",
    ],
    options: [
      relayOption,
      {
        flags: "--replace",
        about: "let the new controller take the place of the present one without asking",
      },
      maxControllersOption,
      audienceOption,
    ],
    environment: [["AMESH_RELAY_URL", "used where --relay is not given"], ...keyStoreEnvironment],
    examples: [
      ["amesh listen", "on the machine that will be called"],
      ["amesh listen --relay ws://localhost:3001/ws --audience api.example.com", "at a relay of your own"],
      ["amesh listen --max-controllers 2", "to let a second one in beside the first"],
      ["amesh listen --json --replace", "in a script that writes the verification code to its input"],
    ],
    exit: pairingExit,
  },

  async run(call) {
    const { terminal } = call;
    const { questions } = terminal;
    if (!questions.mayAsk)
      throw new AmeshError("input_required", "The verification code has to be typed here.", {
        fix: "Run it without --no-input; without a terminal the code is read from standard input.",
      });
    const audience = readAudience(call);
    const maxControllers = readMaxControllers(call);
    const { identity, list } = await openMachine(call);
    const relay = call.text("relay");
    const pair = (signal: AbortSignal) =>
      listen({
        identity,
        signal,
        ...(relay === undefined ? {} : { relay }),
        ...(maxControllers === undefined ? {} : { maxControllers }),
        verificationCode: () =>
          questions.line("Verification code shown there: ", "Write the verification code to standard input."),
        replaceController: async ({ peer, present }) =>
          call.flag("replace") ||
          questions.agrees(
            `Let ${formatDevice(peer)} take the place of ${present.map(formatDevice).join(", ")}?`,
          ),
      });
    await runPairing(terminal, textsOf(terminal, relay), (signal) =>
      settingAudience(list, audience, pair(signal)),
    );
    const warning = audienceWarning(list.audience);
    if (warning !== undefined) terminal.warn(`${warning.detail} ${warning.fix}`);
    terminal.next("amesh list");
    return undefined;
  },
};

/** Sets the hosts once somebody may call, before it is told: a pairing that fails leaves those set before. */
async function* settingAudience(
  list: DeviceList,
  hosts: readonly string[],
  events: AsyncIterable<PairingEvent>,
): AsyncIterable<PairingEvent> {
  for await (const event of events) {
    if (event.event === "paired" && hosts.length > 0) await list.update((draft) => setAudience(draft, hosts));
    yield event;
  }
}

export function textsOf({ paint }: Terminal, relay: string | undefined): PairingTexts {
  return {
    code: ({ code, expiresIn }) => `
  Pairing code: ${paint("bold", code)}

  On the controller, run: amesh invite ${code}${relay === undefined ? "" : ` --relay ${relay}`}
  The code expires in ${expiresIn} seconds.
`,
    peer: (peer) => `${formatDevice(peer)} answered and asks to be let in. It shows a verification code.`,
    mismatch: ({ left }) =>
      `That is not the code it shows. ${left === 1 ? "One entry is" : `${left} entries are`} left.`,
    paired: ({ friendlyName, updated, replaced = [] }) =>
      [
        paint("green", done(`${formatName(friendlyName)} ${updated ? "updated" : "added"} as controller.`)),
        ...replaced.map(describeReplaced),
      ].join("\n"),
  };
}
