import { isoTime } from "@authmesh/core";
import { watchEnrollments } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { describeLine } from "../enroll/describe.js";
import { enrolledExit } from "../enroll/exit.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { interruption } from "../pairing-run.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Shows every change of an enrollment of the account as it happens, a line each, until it is interrupted: a new request with its comparison code, a decision, an end. Needs __manage:r. A connection that is cut is made anew, with a line on standard error when it is lost and when it is back; what changed in between is in `amesh enroll list`.",
      "With --json every change is one line, the enrollment as `amesh enroll show --json` tells it.",
    ],
    options: [rememberedAuthorityOption],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh enroll watch", "beside your work, to see who asks"],
      ["amesh enroll watch --json | jq --unbuffered 'select(.status == \"pending\")'", "for a bot"],
    ],
    exit: [["0", "interrupted"], ...enrolledExit],
  },

  async run(call) {
    const { terminal } = call;
    const signal = interruption();
    terminal.note("Watching; Ctrl-C ends it.");
    const onConnection = (state: keyof typeof connection) => terminal.note(connection[state]());
    for await (const enrollment of watchEnrollments({ ...enrollOptions(call), signal, onConnection })) {
      const line = `${isoTime(unixSeconds())}${describeLine(enrollment)}`;
      terminal.report({ schema: 1, ...enrollment }, line);
      if (enrollment.status === "pending") terminal.next(`amesh enroll approve ${enrollment.id}`);
    }
    return undefined;
  },
};

const connection = {
  lost: () => `Connection lost since ${isoTime(unixSeconds())}, trying again.`,
  back: () => "Connected again. What changed meanwhile is in `amesh enroll list`.",
};
