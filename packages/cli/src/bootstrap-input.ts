import { AmeshError } from "@authmesh/core";
import type { Call } from "./call.js";
import { readTokenSource } from "./token-source.js";

/** No token is longer. */
const maxBytes = 4096;

/**
 * The bootstrap token of `--token FILE|-`, else of AMESH_BOOTSTRAP_TOKEN; a token is never an argument, which others
 * could see.
 *
 * @throws AmeshError `input_required` when there is none; `storage_failed`, `invalid_option`
 */
export async function readToken(call: Call): Promise<string> {
  const source = call.text("token");
  const text =
    source === undefined
      ? process.env["AMESH_BOOTSTRAP_TOKEN"]?.trim()
      : await readTokenSource("--token", source, maxBytes);
  if (text) return text;
  throw new AmeshError("input_required", "There is no bootstrap token.", {
    fix: "Set AMESH_BOOTSTRAP_TOKEN, or give --token FILE, or --token - for standard input.",
  });
}
