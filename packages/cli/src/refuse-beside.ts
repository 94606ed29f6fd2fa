import { AmeshError } from "@authmesh/core";
import type { Call } from "./call.js";

/**
 * Refuses options that make no sense beside another one.
 *
 * @param verb whose manual explains them: "enroll request"
 * @throws AmeshError `invalid_option`
 */
export function refuseBeside(call: Call, verb: string, option: string, others: readonly string[]): void {
  const other = others.find((name) => call.has(name));
  if (other === undefined) return;
  throw new AmeshError("invalid_option", `--${other} does not go with --${option}.`, {
    fix: `\`amesh ${verb} --help\` explains the command.`,
  });
}
