import { AmeshError, checkAudience } from "@authmesh/core";
import type { Call } from "./call.js";
import type { OptionManual } from "./manual.js";

export const audienceOption: OptionManual = {
  flags: "--audience HOST",
  about: "a host this machine answers to, as callers name it: api.example.com, localhost:3000",
  repeatable: true,
};

/** @throws AmeshError `invalid_option` for what is not a host */
export function readAudience(call: Call): readonly string[] {
  try {
    return checkAudience(call.list("audience"));
  } catch (error) {
    throw new AmeshError("invalid_option", (error as TypeError).message, { cause: error });
  }
}
