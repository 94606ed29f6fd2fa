import { revokeEnrollment } from "@authmesh/sdk/enroll";
import { decisionVerb } from "../enroll/decision-verb.js";
import { reasonOption } from "../enroll/reason-option.js";

export const verb = decisionVerb({
  description: [
    "Takes a machine's enrollment away. Services that follow the authority's feed refuse it, and every token of it, within a second. No machine revokes itself, and the last root stays.",
    "--cascade revokes also what the machine approved, and what those did, and so on; --dry-run shows all of them as a tree. With --reason compromise it is for good, also for one that is revoked already: otherwise `amesh enroll unrevoke` takes it back.",
  ],
  options: [{ flags: "--cascade", about: "also what it approved, and what those did" }, reasonOption],
  examples: [
    ['amesh enroll revoke en_3vK9mQx7Lw2RtYp8 --reason "laptop lost"', "one machine"],
    ["amesh enroll revoke en_3vK9mQx7Lw2RtYp8 --cascade --dry-run", "whom it would reach"],
    ["amesh enroll revoke en_3vK9mQx7Lw2RtYp8 --reason compromise --yes", "its key is in other hands"],
  ],
  act: "Revoke",
  acted: "revoked",
  read(call) {
    const given = { reason: call.text("reason"), cascade: call.flag("cascade") };
    return (options) => revokeEnrollment({ ...options, ...given });
  },
  next(id, call) {
    const remove = `amesh enroll delete ${id} takes it off the list`;
    return call.text("reason")?.trim().toLowerCase() === "compromise"
      ? remove
      : `amesh enroll unrevoke ${id} takes it back, ${remove}`;
  },
});
