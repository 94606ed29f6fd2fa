import { createHash } from "node:crypto";
import { hostOf, type IncomingRequest, targetOf } from "@authmesh/core";
import type { RequestParts } from "./request-parts.js";

/** The request that a token is presented with, as a verifier would get it. */
export function boundRequest(
  { url, method, body, contentType }: RequestParts,
  token: string,
): IncomingRequest {
  const headers: Readonly<Record<string, readonly string[]>> = {
    authorization: [`OathMesh ${token}`],
    host: [hostOf(url)],
    ...(contentType === undefined ? {} : { "content-type": [contentType] }),
  };
  return {
    method,
    target: targetOf(url),
    headers: (name) => headers[name] ?? [],
    hasBody: body !== undefined,
    bodyHash: async (_limits, algorithm = "sha256") =>
      createHash(algorithm)
        .update(body ?? "")
        .digest("hex"),
  };
}
