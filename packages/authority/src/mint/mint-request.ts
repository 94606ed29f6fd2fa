import { AmeshError, isJsonObject, type JsonValue } from "@authmesh/core";
import { integer, Misfit, optional, type Reader, readDocument, record, text } from "@authmesh/core/records";
import { claimRules, longestLife, type TokenClaims } from "@authmesh/oath";

/** What `POST /v1/token` takes (docs/protocol.md, section 8.9), read and not granted. */
export interface MintRequest {
  readonly sub?: string;
  readonly aud: string;
  readonly act: string;
  readonly scope?: readonly string[];
  /** Seconds, 1 to 300. */
  readonly ttl?: number;
  readonly env?: string;
  readonly reason?: string;
  readonly rqh?: string;
  /** The key that has to sign each request: the one that signed this one, or another by its thumbprint. */
  readonly cnf?: "request-key" | { readonly jkt: string };
}

/** Larger than any request that is granted. */
export const maxMintRequestBytes = 16_384;

/** A claim, as tokens have it. */
const claim =
  <Name extends "sub" | "aud" | "act" | "scope" | "env" | "reason" | "rqh">(
    name: Name,
  ): Reader<NonNullable<TokenClaims[Name]>> =>
  (value: JsonValue, at: string) => {
    const { fits, must } = claimRules[name];
    if (!fits(value)) throw new Misfit(`${at} is not as it must be: it ${must}`);
    return value as NonNullable<TokenClaims[Name]>;
  };

const thumbprint = record({ jkt: text(/^[\w-]{43}$/, "a thumbprint of 43 characters") });

const cnf: Reader<NonNullable<MintRequest["cnf"]>> = (value: JsonValue, at: string) => {
  if (value === "request-key") return value;
  if (isJsonObject(value)) return thumbprint(value, at);
  throw new Misfit(`${at} is neither "request-key" nor an object with jkt`);
};

/** What is asked for, of values that were read already. @throws Misfit */
export const mintWish: Reader<MintRequest> = record({
  sub: optional(claim("sub")),
  aud: claim("aud"),
  act: claim("act"),
  scope: optional(claim("scope")),
  ttl: optional(integer(1, longestLife)),
  env: optional(claim("env")),
  reason: optional(claim("reason")),
  rqh: optional(claim("rqh")),
  cnf: optional(cnf),
});

/** @throws AmeshError `authority_request_invalid`, `payload_too_large` */
export function readMintRequest(body: Uint8Array): MintRequest {
  if (body.length > maxMintRequestBytes) throw new AmeshError("payload_too_large");
  return readDocument(
    body,
    mintWish,
    "authority_request_invalid",
    "The request for a token",
    { integers: true },
    "Send JSON with aud and act, and of the rest what docs/protocol.md, section 8.9 has.",
  );
}
