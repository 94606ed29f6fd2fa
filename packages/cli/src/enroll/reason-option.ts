import type { OptionManual } from "../manual.js";

export const reasonOption: OptionManual = {
  flags: "--reason TEXT",
  about: "why, a line of at most 256 characters",
};
