import { isoTime } from "@authmesh/core";
import { createPasscode } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { enrolledExit } from "../enroll/exit.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Makes a passcode of six characters by which one machine may ask to be enrolled, within five minutes. It keeps strangers from filling the list; it lets nobody in: the request is still to be approved. Needs __manage:rw.",
    ],
    options: [rememberedAuthorityOption],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [["amesh enroll passcode", "type it where `amesh enroll request` asks for it"]],
    exit: [["0", "the passcode is printed"], ["1", "something failed"], ...enrolledExit],
  },

  async run(call) {
    const { terminal } = call;
    const made = await terminal.during("Waiting for the authority", createPasscode(enrollOptions(call)));
    terminal.answer({ ...made }, () => made.passcode);
    terminal.note(`Good for one request, until ${isoTime(made.expiresAt)}.`);
    terminal.next("amesh enroll request, on the new machine; then here: amesh enroll list --status pending");
    return undefined;
  },
};
