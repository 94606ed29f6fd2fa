import { AmeshError, catalogue } from "@authmesh/core";
import type { Target } from "./target.js";

/** Milliseconds of computing that one input may take. */
const longest = 250;

/** What became of an input: a fault of the parser, or undefined. */
export async function faultOf(target: Target, input: string): Promise<string | undefined> {
  let shortest = Number.POSITIVE_INFINITY;
  // What is slow once may have been compiled meanwhile.
  for (let tries = 0; tries < 3; tries++) {
    const started = process.cpuUsage();
    try {
      await target.run(input);
    } catch (error) {
      if (!isRefusal(target, error)) return `threw ${describe(error)}`;
    }
    const { user, system } = process.cpuUsage(started);
    shortest = Math.min(shortest, (user + system) / 1000);
    if (shortest <= longest) return undefined;
  }
  return `took ${Math.round(shortest)} ms to read`;
}

/** Whether the parser takes an input: it does not throw, and what it returns is no failure. */
export async function isTaken(target: Target, input: string): Promise<boolean> {
  try {
    const result = await target.run(input);
    return result !== undefined && !isFailure(result);
  } catch (error) {
    if (isRefusal(target, error)) return false;
    throw error;
  }
}

const isRefusal = ({ refusals }: Target, error: unknown): boolean =>
  error instanceof AmeshError
    ? Object.hasOwn(catalogue, error.code)
    : refusals.some((kind) => error instanceof kind);

/** A failure of the catalogue, or the half-sentence that some readers give in its place. */
const isFailure = (result: unknown): boolean =>
  typeof result === "string" ||
  (typeof result === "object" &&
    result !== null &&
    (("code" in result && Object.hasOwn(catalogue, String(result.code))) ||
      ("problem" in result && result.problem !== undefined)));

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : `what is no error: ${String(error)}`;
