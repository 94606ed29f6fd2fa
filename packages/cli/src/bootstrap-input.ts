import { AmeshError } from "@authmesh/core";
import type { Call } from "./call.js";
import { readSource } from "./input-source.js";

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
  const text = source === undefined ? process.env["AMESH_BOOTSTRAP_TOKEN"] : await read(source);
  if (text?.trim()) return text.trim();
  throw new AmeshError("input_required", "There is no bootstrap token.", {
    fix: "Set AMESH_BOOTSTRAP_TOKEN, or give --token FILE, or --token - for standard input.",
  });
}

async function read(source: string): Promise<string> {
  // readSource names its source in errors: whoever gives the token itself must not see it logged.
  if (source.startsWith("eyJ"))
    throw new AmeshError(
      "invalid_option",
      "--token takes a file that holds the token, or - for standard input.",
    );
  return (await readSource(source, maxBytes)).toString("utf8");
}
