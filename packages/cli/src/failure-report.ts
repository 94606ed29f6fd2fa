import { AmeshError, lookUp } from "@authmesh/core";

/**
 * Says what went wrong, and what mends it.
 *
 * @returns the exit status
 */
export function reportFailure(error: unknown, { json }: { readonly json: boolean }): number {
  const { code, message: detail, fix } = error instanceof AmeshError ? error : unexpected(error);
  if (json) process.stdout.write(`${JSON.stringify({ schema: 1, error: { code, detail, fix } })}\n`);
  else process.stderr.write(`amesh: error: ${detail} (${code})\namesh: hint: ${fix}\n`);
  if (process.env["AMESH_DEBUG"] === "1") console.error(error);
  return lookUp(code)?.exit ?? 1;
}

/** A mistake in amesh itself, or something nobody thought of. */
const unexpected = (error: unknown): AmeshError =>
  new AmeshError("unexpected_error", error instanceof Error ? error.message : String(error));
