import { checkAudience } from "@authmesh/core";
import type { Call } from "./call.js";
import type { OptionManual } from "./manual.js";
import { asPersonsOption } from "./person-option.js";

export const audienceOption: OptionManual = {
  flags: "--audience HOST",
  about: "a host this machine answers to, as callers name it: api.example.com, localhost:3000",
  repeatable: true,
};

/** @throws AmeshError `invalid_option` for what is not a host */
export const readAudience = (call: Call): readonly string[] =>
  call.has("audience") ? asPersonsOption(() => checkAudience(call.list("audience"))) : [];
