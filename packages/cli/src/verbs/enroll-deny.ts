import { denyEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";
import { reasonOption } from "../enroll/reason-option.js";

export const verb = decisionVerb({
  description: ["Refuses a request that is pending. The machine that asked is told, and the reason too."],
  options: [reasonOption],
  examples: [['amesh enroll deny en_3vK9mQx7Lw2RtYp8 --reason "not ours"', "and the machine stops waiting"]],
  act: "Deny",
  acted: "denied",
  read(call) {
    const reason = call.text("reason");
    return (options) => denyEnrollment({ ...options, reason });
  },
  next: (id) => `amesh enroll delete ${id}, to take it off the list`,
});
