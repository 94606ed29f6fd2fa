import { AmeshError, isJsonObject, type JsonValue, parseStrictJson, quoteForeign } from "@authmesh/core";
import { createJwksSource, type IssuerKey, importIssuerKey, type KeySource } from "@authmesh/oath";
import { readSource } from "../input-source.js";
import { asPersonsOption } from "../person-option.js";

/** A set of more than 64 keys is none. */
const maxBytes = 64 * 1024;

/**
 * Where the keys of issuers are found: where each publishes them, at a URL, or in a file. Of a file, keys that cannot
 * be used are passed over, as in a set that is fetched.
 *
 * @param jwks a URL or a file, for the only issuer
 * @throws AmeshError `invalid_option`, `storage_failed`
 */
export async function openKeys(issuers: readonly string[], jwks: string | undefined): Promise<KeySource> {
  if (jwks === undefined) return fetchKeys(issuers);
  const [issuer, ...others] = issuers;
  if (issuer === undefined || others.length > 0)
    throw new AmeshError("invalid_option", "--jwks holds the keys of one issuer: give one --issuer with it.");
  return /^https?:/.test(jwks) ? fetchKeys([{ issuer, jwksUri: jwks }]) : readKeys(jwks);
}

type Issuers = Parameters<typeof createJwksSource>[0]["issuers"];

const fetchKeys = (issuers: Issuers): KeySource => asPersonsOption(() => createJwksSource({ issuers }));

async function readKeys(file: string): Promise<KeySource> {
  const { value } = parseStrictJson(await readSource(file, maxBytes), { maxLength: maxBytes });
  const members = isJsonObject(value) ? value["keys"] : undefined;
  if (!Array.isArray(members))
    throw new AmeshError("invalid_option", `${quoteForeign(file)} is not a JWK Set.`, {
      fix: "Give what the issuer publishes at /.well-known/jwks.json.",
    });
  const imported = (members as readonly JsonValue[]).map(importIssuerKey);
  const keys = imported.flatMap(({ key }) => key ?? []);
  if (keys.length === 0)
    throw new AmeshError(
      "invalid_option",
      `${quoteForeign(file)} has no key that a token may be verified with: ${imported[0]?.problem ?? "it is empty"}.`,
    );
  const byId = new Map(keys.map((key): [string, IssuerKey] => [key.kid, key]));
  return { find: (_issuer, kid) => byId.get(kid) };
}
