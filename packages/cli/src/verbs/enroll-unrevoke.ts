import { unrevokeEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";

export const verb = decisionVerb({
  description: [
    "Takes the revocation of a machine back: it may do again what it was granted. What was revoked for the reason compromise stays revoked; of suspected-clone only a root takes it back.",
  ],
  examples: [["amesh enroll unrevoke en_3vK9mQx7Lw2RtYp8", "the laptop is found"]],
  act: "Unrevoke",
  acted: "unrevoked",
  read: () => unrevokeEnrollment,
  next: (id) => `amesh enroll show ${id}`,
});
