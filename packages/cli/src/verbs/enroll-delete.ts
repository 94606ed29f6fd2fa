import { deleteEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";

export const verb = decisionVerb({
  description: [
    "Takes an enrollment off the list that was denied or revoked, or has expired; its app and device may then be used by another one. What happened stays in the audit, and a key that was revoked is never enrolled again.",
  ],
  examples: [["amesh enroll delete en_3vK9mQx7Lw2RtYp8 --yes", "in a script"]],
  act: "Delete",
  acted: "deleted",
  read: () => deleteEnrollment,
  next: () => "amesh enroll list",
});
