import {
  isJsonObject,
  type JsonObject,
  type JwsHeader,
  type JwsParts,
  parseStrictJson,
  readJwsHeader,
  splitCompactJws,
} from "@authmesh/core";
import { claimProblem, claimsOf } from "./claim-rules.js";
import type { TokenClaims } from "./claims.js";
import type { TokenAlgorithm } from "./keys.js";

/** Characters. */
export const longestToken = 8192;
export const tokenType = "om+jwt";
export const tokenAlgorithms: readonly TokenAlgorithm[] = ["EdDSA", "ES256"];

/** The payload, or undefined for what is not an object in strict JSON whose numbers are plain integers. */
export function readPayload({ payload }: JwsParts): JsonObject | undefined {
  const { value } = parseStrictJson(payload, { integers: true });
  return isJsonObject(value) ? value : undefined;
}

/** A token as it reads, with nothing verified: for showing it to its holder, never to decide on. */
export interface ReadToken {
  readonly header?: JwsHeader;
  /** As far as they are as they must be. */
  readonly claims?: TokenClaims;
  /** Everything the payload holds. */
  readonly payload?: JsonObject;
  /** Why no verifier would take it, if its form already says so: a plain sentence. */
  readonly problem?: string;
}

/** Never throws. */
export function readToken(token: string): ReadToken {
  const parts = splitCompactJws(token, longestToken);
  if (typeof parts === "string") return { problem: `This is no token: ${parts}.` };
  const header = readJwsHeader(parts.header, tokenType, tokenAlgorithms);
  const payload = readPayload(parts);
  const found = {
    ...(header.problem === undefined ? { header } : {}),
    ...(payload === undefined ? {} : { payload }),
  };
  if (header.problem !== undefined) return { ...found, problem: `This is no token: ${header.problem}.` };
  if (payload === undefined)
    return { ...found, problem: "Its payload is not a JSON object that reads in one way." };
  const wrong = claimProblem(payload);
  return wrong === undefined ? { ...found, claims: claimsOf(payload) } : { ...found, problem: wrong.detail };
}
