import { showEnrollment } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { describeWhole } from "../enroll/describe.js";
import { enrolledExit } from "../enroll/exit.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Shows one enrollment: who asked for what, when and from where, and what became of it. Needs __manage:r, but for this machine's own.",
    ],
    arguments: [{ name: "ID", about: "of the enrollment (default: this machine's own)", optional: true }],
    options: [rememberedAuthorityOption],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh enroll show", "what this machine may do, and until when"],
      ["amesh enroll show en_3vK9mQx7Lw2RtYp8 --json | jq '.enrollment.scopes'", "for scripts"],
    ],
    exit: [["0", "shown"], ["1", "there is no such enrollment"], ...enrolledExit],
  },

  async run(call) {
    const { terminal } = call;
    const asking = showEnrollment({ ...enrollOptions(call), id: call.args[0] });
    const enrollment = await terminal.during("Waiting for the authority", asking);
    terminal.answer({ enrollment }, () => describeWhole(enrollment));
    if (enrollment.status === "pending") terminal.next(`amesh enroll approve ${enrollment.id}`);
    return undefined;
  },
};
