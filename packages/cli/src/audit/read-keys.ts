import { AmeshError, isJsonObject, parseStrictJson, quoteForeign } from "@authmesh/core";
import { type IssuerKey, importIssuerKey } from "@authmesh/oath";
import { readSource } from "../input-source.js";

const mostBytes = 1 << 16;

/**
 * The public keys in a file: one JWK, or a set of them as an issuer publishes it.
 *
 * @throws AmeshError `storage_failed`, `invalid_option`, `invalid_public_key`
 */
export async function readKeys(file: string): Promise<readonly IssuerKey[]> {
  const { value, problem } = parseStrictJson(await readSource(file, mostBytes));
  if (problem !== undefined) throw unusable(file, problem);
  const set = isJsonObject(value) ? (value["keys"] ?? [value]) : undefined;
  if (!Array.isArray(set)) throw unusable(file, "it is neither a JWK nor a set of them");
  return set.map((jwk) => {
    const { key, problem } = importIssuerKey(jwk);
    if (key === undefined) throw unusable(file, problem);
    return key;
  });
}

const unusable = (file: string, problem: string) =>
  new AmeshError("invalid_public_key", `${quoteForeign(file)} cannot be used as a key: ${problem}.`, {
    fix: "Give a JWK of Ed25519 or P-256 with alg, use and kid, as issuers publish it.",
  });
