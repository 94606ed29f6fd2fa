import { AmeshError, isJsonObject, type JsonObject, type JsonValue } from "@authmesh/core";

/** Makes a key of a member of a set, or says why it is none that can be used. Never throws. */
export type ImportKey<Key> = (
  jwk: JsonObject,
) => { readonly key: Key } | { readonly key?: undefined; readonly problem: string };

const mostKeys = 64;

/**
 * Reads a JWK Set (RFC 7517, section 5): the keys by their `kid`. What cannot be imported is skipped, as the RFC asks.
 *
 * @throws AmeshError `issuer_unreachable` for what is no set, for more than 64 keys, and for two of one `kid`
 */
export function readJwkSet<Key>(value: JsonValue | undefined, importKey: ImportKey<Key>): Map<string, Key> {
  const members = isJsonObject(value) ? value["keys"] : undefined;
  if (!Array.isArray(members)) throw unusable("it is not a JWK Set");
  if (members.length > mostKeys) throw unusable(`it holds more than ${mostKeys} keys`);
  const keys = new Map<string, Key>();
  for (const member of members as readonly JsonValue[]) {
    if (!isJsonObject(member)) throw unusable("it holds something else than keys");
    const kid = member["kid"];
    if (typeof kid !== "string") continue;
    const { key } = importKey(member);
    if (key === undefined) continue;
    if (keys.has(kid)) throw unusable("it holds two keys of one kid");
    keys.set(kid, key);
  }
  return keys;
}

const unusable = (why: string): AmeshError =>
  new AmeshError("issuer_unreachable", `The issuer's set of keys cannot be used: ${why}.`);
