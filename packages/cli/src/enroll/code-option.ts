import { timingSafeEqual } from "node:crypto";
import { AmeshError } from "@authmesh/core";
import type { EnrollmentInfo } from "@authmesh/sdk/enroll";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";
import { formatEnrollment } from "./describe.js";

export const codeOption: OptionManual = {
  flags: "--code NNNNNN",
  about: "do not ask: approve if this is its comparison code, as the machine shows it",
};

/**
 * What compares an enrollment's comparison code with the one that stands on the command line, if one does.
 *
 * @throws AmeshError `invalid_option` for what is no such code
 */
export function codeCheck(call: Call): ((enrollment: EnrollmentInfo) => void) | undefined {
  const text = call.text("code");
  if (text === undefined) return undefined;
  // As a screen shows it, too: "482 916".
  const given = Buffer.from(text.replace(/^(\d{3}) (\d{3})$/, "$1$2"));
  if (!/^\d{6}$/.test(given.toString()))
    throw new AmeshError("invalid_option", "--code takes the six digits that the machine shows.");
  return (enrollment) => {
    const { code, status } = enrollment;
    const name = formatEnrollment(enrollment);
    if (code === undefined)
      throw new AmeshError("enrollment_state", `${name} is ${status}: it has no code any more.`);
    const right = Buffer.from(code);
    if (given.length !== right.length || !timingSafeEqual(given, right))
      throw new AmeshError("enrollment_code_mismatch", `The code of ${name} is another one.`);
  };
}
