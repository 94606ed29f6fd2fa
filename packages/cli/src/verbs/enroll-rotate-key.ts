import { rotateKey } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { enrolledExit } from "../enroll/exit.js";
import { attestOptions, readAttest } from "../enroll/new-machine.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice, identityDocument } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Gives this machine another key, and its enrollment with it: scopes, names and end stay. The present key names the new one to the authority, and the new one proves that it is here. Needs no scope. Interrupted, it goes on when it is run again.",
      "Devices that this machine calls by pairing know the present key alone. Where there are any nothing is done unless they are left: then they are named, each with the line to run there.",
    ],
    options: [
      {
        flags: "--leave-targets",
        about: "go on although devices that this machine calls know the present key alone",
      },
      { flags: "--backend NAME", about: "key store for the new key (default: that of the present one)" },
      ...attestOptions,
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [["amesh enroll rotate-key", "once a year, or when a copy may be somewhere"]],
    exit: [
      ["0", "the new key is in use"],
      ["1", "the enrollment is not approved, or a migration is under way"],
      ...enrolledExit,
    ],
  },

  async run(call) {
    const { terminal } = call;
    const rotating = rotateKey({
      ...enrollOptions(call),
      backend: call.text("backend"),
      attest: readAttest(call),
      leaveTargets: call.flag("leave-targets"),
    });
    const { dir, identity, previous, targets, warnings } = await terminal.during(
      "Making the new key",
      rotating,
    );
    const peers = targets.map(({ deviceId, friendlyName }) => ({
      deviceId,
      friendlyName,
      command: `echo ${identity.publicKey} | amesh add --public-key - --replaces ${previous.deviceId} --yes`,
    }));
    terminal.answer(
      {
        dir,
        device: identityDocument(identity),
        previous: identityDocument(previous),
        peers,
        warnings,
      },
      () =>
        [
          done(`This machine is ${formatDevice(identity)} now, in place of ${previous.deviceId}.`),
          ...peers.map((peer) => `  On ${formatDevice(peer)}:\n    ${peer.command}`),
        ].join("\n"),
    );
    for (const { message } of warnings) terminal.warn(message);
    terminal.next("restart programs that call others, then amesh init --migrate --forget-previous");
    return undefined;
  },
};
