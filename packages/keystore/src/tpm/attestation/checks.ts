import { AmeshError } from "@authmesh/core";
import { Malformed } from "../marshal.js";

/** One thing that must hold: its name, which the error bears, and why it does not hold, if so. */
export type Check<C> = readonly [step: string, problem: (context: C) => string | undefined];

/** @throws AmeshError `attestation_refused` with the first check that fails */
export function runChecks<C>(checks: readonly Check<C>[], context: C): void {
  for (const [step, problemOf] of checks) {
    const problem = problemOf(context);
    if (problem !== undefined) throw refused(step, problem);
  }
}

/** Reads bytes that another side sent. @throws AmeshError `attestation_refused` when they are malformed */
export function readStep<T>(step: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) throw refused(step, error.message);
    throw error;
  }
}

export const refused = (step: string, problem: string): AmeshError =>
  new AmeshError("attestation_refused", `The attestation is refused at the step "${step}": ${problem}.`);
