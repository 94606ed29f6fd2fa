import { AmeshError } from "@authmesh/core";
import type { Call } from "../call.js";
import type { ArgumentManual } from "../manual.js";
import { readTokenSource } from "../token-source.js";

export const tokenArgument: ArgumentManual = {
  name: "FILE|-",
  about:
    "a file that holds the token, or - for standard input (default: standard input; on a terminal the token is asked for, and not shown)",
  optional: true,
};

/** No verifier takes a longer token. */
const maxBytes = 65_536;

/**
 * The token that a command is about. It is never an argument, which others could see.
 *
 * @throws AmeshError `input_required` when there is none; `storage_failed`, `invalid_option`
 */
export async function readToken({ args: [source], terminal }: Call): Promise<string> {
  const token = source === undefined ? await unnamed(terminal.questions) : await read(source);
  if (token) return token;
  throw new AmeshError("input_required", "There is no token.", {
    fix: "Name a file that holds it, or - for standard input.",
  });
}

const read = (source: string): Promise<string> => readTokenSource("The command", source, maxBytes);

async function unnamed({ secret, mayAsk }: Call["terminal"]["questions"]): Promise<string | undefined> {
  if (secret !== undefined) return (await secret("Token")).trim();
  return mayAsk && !process.stdin.isTTY ? read("-") : undefined;
}
