import { AmeshError } from "@authmesh/core";
import { extendEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";
import { readLifetime } from "../enroll/lifetime.js";

export const verb = decisionVerb({
  description: [
    "Sets another end of an approved enrollment, counted from now. Only a root takes the end away.",
  ],
  options: [
    { flags: "--lifetime TIME", about: "end it after that time: 12h, 90d" },
    { flags: "--without-end", about: "let it last until it is revoked" },
  ],
  examples: [["amesh enroll extend en_3vK9mQx7Lw2RtYp8 --lifetime 90d", "another 90 days from now on"]],
  act: "Extend",
  acted: "extended",
  read(call) {
    const lifetimeSeconds = readLifetime(call);
    if ((lifetimeSeconds === undefined) !== call.flag("without-end"))
      throw new AmeshError("invalid_option", "Give one of --lifetime and --without-end.", {
        fix: "`amesh enroll extend --help` explains the command.",
      });
    return (options) => extendEnrollment({ ...options, lifetimeSeconds });
  },
  next: (id) => `amesh enroll show ${id}`,
});
