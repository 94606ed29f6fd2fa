import { AmeshError } from "@authmesh/core";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";
import type { OptionManual } from "../manual.js";
import { maxBodyBytes, readUrl } from "../request/read-request.js";

/** The options that describe a request to which a token is bound. */
export const requestOptions = (about: string): readonly OptionManual[] => [
  { flags: "--url URL", about },
  { flags: "--method METHOD", about: "its method (default GET)" },
  { flags: "--body FILE|-", about: "its body (default none)" },
  { flags: "--content-type TYPE", about: "its Content-Type, letter by letter as sent (default none)" },
];

export interface RequestParts {
  readonly url: URL;
  readonly method: string;
  readonly body: Buffer | undefined;
  readonly contentType: string | undefined;
}

/**
 * The request that the command line describes; undefined without `--url`.
 *
 * @param inputIsTaken whether standard input is something else already
 * @throws AmeshError `invalid_option`, `storage_failed`
 */
export async function readRequestParts(call: Call, inputIsTaken: boolean): Promise<RequestParts | undefined> {
  const address = call.text("url");
  const [given, source, contentType] = ["method", "body", "content-type"].map((option) => call.text(option));
  if (address === undefined) {
    if (given !== undefined || source !== undefined || contentType !== undefined)
      throw new AmeshError("invalid_option", "--method, --body and --content-type go with --url.");
    return undefined;
  }
  if (source === "-" && inputIsTaken)
    throw new AmeshError("invalid_option", "Standard input is either the token or the body.", {
      fix: "Put one of them into a file.",
    });
  const method = given ?? "GET";
  const url = readUrl(address, method);
  const body = source === undefined ? undefined : await readSource(source, maxBodyBytes);
  return { url, method, body, contentType };
}
