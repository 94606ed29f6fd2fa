import { AmeshError } from "@authmesh/core";
import type { Call } from "./call.js";

/** @param verb whose manual explains the option: "token mint" @throws AmeshError `input_required` */
export function requiredOption(call: Call, verb: string, option: string): string {
  const value = call.text(option);
  if (value) return value;
  throw new AmeshError("input_required", `--${option} is missing.`, {
    fix: `Give it; \`amesh ${verb} --help\` explains the command.`,
  });
}
