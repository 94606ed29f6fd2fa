import { parseScopes } from "@authmesh/core";
import { narrowEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";
import { requiredOption } from "../required-option.js";

export const verb = decisionVerb({
  description: ["Takes scopes away from an approved enrollment. What is to be more is asked for anew."],
  options: [{ flags: "--scope SCOPES", about: "all that it keeps: orders:r,profile:r" }],
  examples: [["amesh enroll narrow en_3vK9mQx7Lw2RtYp8 --scope orders:r", "it reads orders, and no more"]],
  act: "Narrow",
  acted: "narrowed",
  read(call) {
    const scopes = parseScopes(requiredOption(call, "enroll narrow", "scope"));
    return (options) => narrowEnrollment({ ...options, scopes });
  },
  next: (id) => `amesh enroll show ${id}`,
});
