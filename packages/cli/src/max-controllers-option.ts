import type { Call } from "./call.js";
import type { OptionManual } from "./manual.js";

/** For a machine that has its limit already. */
export const maxControllersOption: OptionManual = {
  flags: "--max-controllers N",
  about: "how many controllers this machine accepts from now on (default: as many as before)",
};

/** @throws AmeshError `invalid_option` */
export const readMaxControllers = (call: Call): number | undefined => call.number("max-controllers", 1000);
