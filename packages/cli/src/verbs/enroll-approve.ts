import { parseScopes } from "@authmesh/core";
import { approveEnrollment } from "@authmesh/sdk/enroll";
import { codeCheck, codeOption } from "../enroll/code-option.js";
import { decisionVerb } from "../enroll/decision-verb.js";
import { readLifetime } from "../enroll/lifetime.js";

export const verb = decisionVerb({
  description: [
    "Lets a machine in that asked to be enrolled, with what it asked for or less. Compare the code with the one that the machine shows: if they differ, this is not its request. In a script, --code compares it; --yes compares nothing.",
    "This machine must hold __manage:rw and all that it grants, and grants no later end than its own unless it is a root.",
  ],
  options: [
    codeOption,
    { flags: "--scope SCOPES", about: "grant these alone: orders:r,profile:r (default: as asked for)" },
    { flags: "--lifetime TIME", about: "end it after that time: 12h, 90d (default: as asked for)" },
  ],
  examples: [
    ["amesh enroll approve en_3vK9mQx7Lw2RtYp8", "after a look at who asks for what"],
    [
      "amesh enroll approve en_3vK9mQx7Lw2RtYp8 --code 482916 --scope orders:r --lifetime 30d",
      "less than it asked for, in a script that read the code off the machine",
    ],
  ],
  act: "Approve",
  acted: "approved",
  read(call) {
    const text = call.text("scope");
    const granted = {
      scopes: text === undefined ? undefined : parseScopes(text),
      lifetimeSeconds: readLifetime(call),
    };
    return (options) => approveEnrollment({ ...options, ...granted });
  },
  check: codeCheck,
  next: (id) => `amesh enroll show ${id}`,
});
