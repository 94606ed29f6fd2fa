import type { EnrollOptions } from "@authmesh/sdk/enroll";
import { readAuthorityUrl } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";

/** For verbs of a machine that is enrolled. */
export const rememberedAuthorityOption: OptionManual = {
  flags: "--authority URL",
  about: "the authority (AMESH_AUTHORITY_URL; default the one that this machine is enrolled at)",
};

/**
 * What every call for an enrolled machine is given.
 *
 * @throws AmeshError `invalid_option` for an authority that is no URL to trust
 */
export function enrollOptions(call: Call): Pick<EnrollOptions, "authority" | "promptSecret"> {
  const named = call.has("authority") || process.env["AMESH_AUTHORITY_URL"];
  return {
    authority: named ? readAuthorityUrl(call).href : undefined,
    promptSecret: call.terminal.questions.secret,
  };
}
