import { AmeshError, isJsonObject, type JsonValue } from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  optional,
  type Reader,
  readDocument,
  record,
  text,
} from "@authmesh/core/records";
import { longestLife } from "@authmesh/oath";

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

// What a claim must be is for mintToken to say; here only that a value is of the kind and of bearable size.
const word = (longest: number) => text(new RegExp(`^[\\x21-\\x7e]{1,${longest}}$`), "a short word of ASCII");

const thumbprint = record({ jkt: text(/^[\w-]{43}$/, "a thumbprint of 43 characters") });

const cnf: Reader<NonNullable<MintRequest["cnf"]>> = (value: JsonValue, at: string) => {
  if (value === "request-key") return value;
  if (isJsonObject(value)) return thumbprint(value, at);
  throw new Misfit(`${at} is neither "request-key" nor an object with jkt`);
};

const shape = record({
  sub: optional(word(262)),
  aud: word(512),
  act: word(256),
  scope: optional(listOf(word(128), 64)),
  ttl: optional(integer(1, longestLife)),
  env: optional(word(128)),
  reason: optional(text(/^\P{Cc}{1,512}$/u, "a line of 1 to 512 characters")),
  rqh: optional(text(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 lower-case hex digits")),
  cnf: optional(cnf),
});

/** @throws AmeshError `mint_request_invalid` */
export function readMintRequest(body: Uint8Array): MintRequest {
  if (body.length > maxMintRequestBytes) throw new AmeshError("payload_too_large");
  return readDocument(body, shape, "mint_request_invalid", "The request for a token", { integers: true });
}
