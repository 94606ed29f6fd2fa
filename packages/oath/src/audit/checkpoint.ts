import {
  decodeUtf8,
  isJsonObject,
  parseStrictJson,
  readJwsHeader,
  signableJws,
  splitCompactJws,
  toBase64Url,
} from "@authmesh/core";
import { integer, Misfit, record, text } from "@authmesh/core/records";
import type { IssuerKey, TokenSigner } from "../keys.js";
import type { ChainHead } from "./chain.js";

/** Somebody's word on where a chain stood, and when: `at` in Unix seconds. */
export interface Checkpoint extends ChainHead {
  readonly at: number;
}

const typ = "amesh-checkpoint+jwt";
const longest = 2048;

/** Signs where a chain stands: a compact JWS (docs/protocol.md, section 13.4). What the signer throws. */
export async function signCheckpoint(
  { sequence, hash, at }: Checkpoint,
  { publicJwk, sign }: TokenSigner,
): Promise<string> {
  const message = signableJws(typ, publicJwk.alg, publicJwk.kid, { hash, iat: at, sequence });
  return `${decodeUtf8(message)}.${toBase64Url(await sign(message))}`;
}

/** A checkpoint that one of the keys signed, or why it is none: a plain half-sentence. */
export type ReadCheckpoint =
  | { readonly checkpoint: Checkpoint; readonly kid: string; readonly problem?: undefined }
  | { readonly checkpoint?: undefined; readonly problem: string };

const readPayload = record({
  hash: text(/^[0-9a-f]{64}$/, "a SHA-256 in hex"),
  iat: integer(0, 253_402_300_799),
  sequence: integer(1, 999_999_999_999_999),
});

/** Never throws. */
export function readCheckpoint(jws: string, keys: readonly IssuerKey[]): ReadCheckpoint {
  const parts = splitCompactJws(jws, longest);
  if (typeof parts === "string") return { problem: parts };
  const header = readJwsHeader(parts.header, typ, ["ES256", "EdDSA"]);
  if (header.problem !== undefined) return { problem: header.problem };
  const key = keys.find(({ kid, alg }) => kid === header.kid && alg === header.alg);
  if (key === undefined) return { problem: "none of the keys given is the one that it names" };
  if (!key.verify(parts.signingInput, parts.signature)) return { problem: "its signature does not fit" };
  const { value } = parseStrictJson(parts.payload);
  if (!isJsonObject(value)) return { problem: "its payload is not a JSON object" };
  try {
    const { hash, iat, sequence } = readPayload(value, "");
    return { checkpoint: { hash, sequence, at: iat }, kid: header.kid };
  } catch (error) {
    if (error instanceof Misfit) return { problem: error.message };
    throw error;
  }
}
