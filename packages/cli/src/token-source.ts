import { AmeshError } from "@authmesh/core";
import { readSource } from "./input-source.js";

/**
 * Reads a token from a file, or from standard input for "-".
 *
 * @param what takes such a source: "--token"
 * @throws AmeshError `invalid_option` for a token in the place of its file, which others on this machine could see;
 *   `storage_failed`
 */
export async function readTokenSource(what: string, source: string, maxBytes: number): Promise<string> {
  // readSource names its source in errors: whoever gives the token itself must not see it logged.
  if (source.startsWith("eyJ"))
    throw new AmeshError(
      "invalid_option",
      `${what} takes a file that holds the token, or - for standard input.`,
    );
  return (await readSource(source, maxBytes)).toString("utf8").trim();
}
