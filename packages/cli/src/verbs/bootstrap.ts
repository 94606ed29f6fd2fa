import { AmeshError } from "@authmesh/core";
import { type BootstrappedIdentity, bootstrapIdentity } from "@authmesh/keystore";
import { machineHosts, meetController } from "@authmesh/sdk/bootstrap";
import { audienceWarning } from "../audience-warning.js";
import { readToken } from "../bootstrap-input.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice, formatName, identityDocument } from "../layout.js";
import { interruption } from "../pairing-run.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Uses a bootstrap token that `amesh provision` made on another machine: that one becomes a controller of this one, so that it may call it. Makes the identity of this machine if there is none, under the name that the token says. Needs no relay and asks nothing. Servers and clients with the amesh SDK do the same by themselves.",
      "If the controller waits at the relay it is told of this machine and lists it as a target. If it does not, nothing is missing here; run this command again while it waits.",
      "The token is read from AMESH_BOOTSTRAP_TOKEN, a file, or standard input. It works once on a machine, brings back no device that was revoked, and takes no other controller's place.",
    ],
    options: [
      { flags: "--token FILE|-", about: "a file that holds the token, or - for standard input" },
      { flags: "--backend NAME", about: "where a new key is to be kept (default: as `amesh init` chooses)" },
    ],
    environment: [
      ["AMESH_BOOTSTRAP_TOKEN", "the token, where --token is not given"],
      ["AMESH_AUDIENCE", "names of this machine beside its host name, for a token that is for one host"],
      [
        "AMESH_MAX_CONTROLLERS",
        "how many controllers a machine accepts whose identity is made now (default 1)",
      ],
      ...keyStoreEnvironment,
    ],
    examples: [
      ["amesh bootstrap", "with the token in AMESH_BOOTSTRAP_TOKEN"],
      ["amesh bootstrap --token /run/secrets/amesh-bootstrap", "with the token in a file"],
    ],
    exit: [
      ["0", "the controller may call this machine, whether or not it was told"],
      ["1", "the list has no room for it, or a file or key store cannot be used"],
      ["2", "the command line or AMESH_MAX_CONTROLLERS cannot be read, or there is no token"],
      [
        "3",
        "the token is refused: not signed, for another host, used before, or its device was revoked here",
      ],
      ["4", "the token has expired, or a passphrase, a PIN or a package is missing"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const used = await bootstrapIdentity({
      token: await readToken(call),
      hosts: machineHosts(),
      backend: call.text("backend"),
      promptSecret: terminal.questions.secret,
    });
    const { identity, outcome, created, token } = used;
    const { deviceId } = token.controller.publicKey;
    const controller = { deviceId, friendlyName: token.controller.friendlyName };
    const listed = await showItself(call, used);
    const device = identityDocument(identity.identity);
    terminal.answer({ outcome, created: created !== undefined, device, controller, listed }, () =>
      [
        ...(created === undefined ? [] : [`Identity created: ${formatDevice(identity.identity)}.`]),
        outcome === "added"
          ? done(`${formatDevice(controller)} added as controller.`)
          : `${formatDevice(controller)} is a controller already; the token was not needed.`,
        ...(listed ? [done(`It lists this machine as ${formatName(identity.identity.friendlyName)}.`)] : []),
      ].join("\n"),
    );
    for (const { message } of created?.warnings ?? []) terminal.warn(message);
    const warning = audienceWarning((await identity.openAllowList()).audience);
    if (warning !== undefined) terminal.warn(`${warning.detail} ${warning.fix}`);
    return undefined;
  },
};

/** Whether the controller lists this machine now. It need not: it may call all the same. */
async function showItself(
  { terminal }: Call,
  { identity, consumed, token }: BootstrappedIdentity,
): Promise<boolean> {
  if (!consumed) return false;
  try {
    const meeting = meetController(token, { identity, signal: interruption() });
    await terminal.during("Looking for the controller at the relay", meeting);
    return true;
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    terminal.note(`The controller does not list this machine yet: ${reasons[error.code] ?? error.message}`);
    return false;
  }
}

const reasons: Readonly<Record<string, string>> = {
  otc_not_found: "it does not wait at the relay. `amesh provision --wait --token FILE` there makes it wait.",
};
