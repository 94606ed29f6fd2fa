import { isJsonObject, type JsonObject, type JsonValue } from "./canonical-json.js";
import { decodeUtf8, fromBase64Url, toBase64Url, utf8 } from "./encoding.js";
import { quoteForeign } from "./errors.js";
import { type JwsType, type Sign, signableJws } from "./signable.js";
import { parseStrictJson } from "./strict-json.js";

/** A compact JWS (RFC 7515), read and not verified. */
export interface CompactJws {
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  readonly payload: JsonObject;
  /** What `signature` is over. */
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** To add an algorithm, say here how long its signatures are, and give `kid` a key that verifies it. */
const algorithms = { ES256: { signatureLength: 64 } } as const;
export type JwsAlgorithm = keyof typeof algorithms;

/** The JWS, or why there is none: a plain half-sentence, to which the caller adds an error code of its own. */
export type ReadJws =
  | { readonly jws: CompactJws; readonly problem?: undefined }
  | { readonly jws?: undefined; readonly problem: string };

/** A JWS by a device's key (ES256). */
export async function signCompactJws(
  typ: JwsType,
  kid: string,
  payload: JsonValue,
  sign: Sign,
): Promise<string> {
  const message = signableJws(typ, kid, payload);
  return `${decodeUtf8(message)}.${toBase64Url(await sign(message))}`;
}

/**
 * Reads a compact JWS of one `typ`, strictly: canonical base64url, a header of exactly `typ`, `alg` and `kid`, strict
 * JSON, an object as payload. Never throws.
 *
 * @param maxLength characters of the whole
 */
export function readCompactJws(text: string, typ: JwsType, maxLength: number): ReadJws {
  if (text.length > maxLength) return { problem: `it is longer than ${maxLength} characters` };
  const parts = text.split(".");
  const [headerBytes, payloadBytes, signature] = parts.map(fromBase64Url);
  if (
    parts.length !== 3 ||
    headerBytes === undefined ||
    payloadBytes === undefined ||
    signature === undefined
  )
    return { problem: "it is not three parts of base64url" };

  const header = readObject(headerBytes);
  if (header === undefined || !hasMembers(header, ["alg", "kid", "typ"]))
    return { problem: "its header is not JSON with exactly typ, alg and kid" };
  const { alg, kid } = header;
  if (header["typ"] !== typ) return { problem: `its typ is not ${typ}` };
  if (!isAlgorithm(alg))
    return { problem: `its alg is ${typeof alg === "string" ? quoteForeign(alg) : "not text"}` };
  if (typeof kid !== "string") return { problem: "its kid is not text" };
  if (signature.length !== algorithms[alg].signatureLength)
    return { problem: `its signature is not one of ${alg}` };

  const payload = readObject(payloadBytes);
  if (payload === undefined) return { problem: "its payload is not a JSON object that reads in one way" };
  const signingInput = utf8(text.slice(0, text.lastIndexOf(".")));
  return { jws: { alg, kid, payload, signingInput, signature } };
}

/** Whether an object has all of `names`, and beside them at most `optional`. */
export function hasMembers(
  object: JsonObject,
  names: readonly string[],
  optional: readonly string[] = [],
): boolean {
  return (
    names.every((name) => Object.hasOwn(object, name)) &&
    Object.keys(object).every((name) => names.includes(name) || optional.includes(name))
  );
}

function readObject(bytes: Uint8Array): JsonObject | undefined {
  const { value } = parseStrictJson(bytes);
  return isJsonObject(value) ? value : undefined;
}

const isAlgorithm = (alg: unknown): alg is JwsAlgorithm =>
  typeof alg === "string" && Object.hasOwn(algorithms, alg);
