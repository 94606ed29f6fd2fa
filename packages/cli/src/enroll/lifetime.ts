import type { Call } from "../call.js";
import { parseDuration } from "../time.js";

/** The seconds of `--lifetime 90d`, or of another option of that kind. @throws AmeshError `invalid_option` */
export function readLifetime(call: Call, option = "lifetime"): number | undefined {
  const text = call.text(option);
  return text === undefined ? undefined : parseDuration(text);
}
