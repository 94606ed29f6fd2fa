import { AmeshError } from "@authmesh/core";
import { requestHashOf } from "@authmesh/oath/caller";
import type { Call } from "../call.js";
import { readRequestParts, requestOptions } from "./request-parts.js";

/** The options that bind a token to one request. */
export const requestBindingOptions = [
  ...requestOptions(
    "bind the token to this one request, with --method, --body and --content-type as they are sent",
  ),
  { flags: "--rqh HASH", about: "the same by the request's hash: sha256:…" },
];

/**
 * The `rqh` of the request that the command line describes; undefined where it describes none.
 *
 * @param inputIsTaken whether standard input is something else already
 * @throws AmeshError `invalid_option`, `storage_failed`
 */
export async function readRequestHash(call: Call, inputIsTaken = false): Promise<string | undefined> {
  const hash = call.text("rqh");
  const parts = await readRequestParts(call, inputIsTaken);
  if (parts === undefined) return hash;
  if (hash !== undefined)
    throw new AmeshError("invalid_option", "The request is given by --url or by its hash, --rqh.");
  const { contentType = "", ...request } = parts;
  return requestHashOf({ ...request, contentType });
}
