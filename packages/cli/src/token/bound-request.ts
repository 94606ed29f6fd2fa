import { createHash } from "node:crypto";
import { AmeshError, hostOf, type IncomingRequest, targetOf } from "@authmesh/core";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";
import type { OptionManual } from "../manual.js";
import { maxBodyBytes, readUrl } from "../request/read-request.js";

export const requestOptions: readonly OptionManual[] = [
  { flags: "--url URL", about: "the request that the token is presented with, as its caller sends it" },
  { flags: "--method METHOD", about: "its method (default GET)" },
  { flags: "--body FILE|-", about: "its body (default none)" },
  { flags: "--content-type TYPE", about: "its Content-Type, letter by letter as sent (default none)" },
];

/**
 * The request of the command line, as a verifier would get it; undefined without `--url`.
 *
 * @throws AmeshError `invalid_option`, `storage_failed`
 */
export async function readBoundRequest(call: Call, token: string): Promise<IncomingRequest | undefined> {
  const address = call.text("url");
  const [method, body, contentType] = ["method", "body", "content-type"].map((option) => call.text(option));
  if (address === undefined) {
    if (method !== undefined || body !== undefined || contentType !== undefined)
      throw new AmeshError("invalid_option", "--method, --body and --content-type go with --url.");
    return undefined;
  }
  if (body === "-" && (call.args[0] ?? "-") === "-")
    throw new AmeshError("invalid_option", "Standard input is either the token or the body.", {
      fix: "Put one of them into a file.",
    });
  const url = readUrl(address, method ?? "GET");
  const bytes = body === undefined ? undefined : await readSource(body, maxBodyBytes);
  const headers: Readonly<Record<string, readonly string[]>> = {
    authorization: [`OathMesh ${token}`],
    host: [hostOf(url)],
    ...(contentType === undefined ? {} : { "content-type": [contentType] }),
  };
  return {
    method: method ?? "GET",
    target: targetOf(url),
    headers: (name) => headers[name] ?? [],
    hasBody: bytes !== undefined,
    bodyHash: async (_limits, algorithm = "sha256") =>
      createHash(algorithm)
        .update(bytes ?? "")
        .digest("hex"),
  };
}
