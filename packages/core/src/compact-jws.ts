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

/** How a JWS is signed (RFC 7518, 3.4; RFC 8037, 3.1). A signature of either has 64 bytes. */
export type JwsAlgorithm = "ES256" | "EdDSA";

/** The three parts of a compact JWS, decoded. */
export interface JwsParts {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** What `signature` is over. */
  readonly signingInput: Uint8Array;
}

export interface JwsHeader {
  readonly alg: JwsAlgorithm;
  readonly kid: string;
}

/** `alg`: that the algorithm is none of those allowed, and nothing else was looked at. */
type ReadHeader =
  | (JwsHeader & { readonly problem?: undefined })
  | { readonly problem: string; readonly about: "alg" | "form" };

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
  const message = signableJws(typ, "ES256", kid, payload);
  return `${decodeUtf8(message)}.${toBase64Url(await sign(message))}`;
}

/**
 * Reads a compact JWS of one `typ` by a device's key, strictly: canonical base64url, a header of exactly `typ`, `alg`
 * (ES256) and `kid`, strict JSON, an object as payload. Never throws.
 *
 * @param maxLength characters of the whole
 */
export function readCompactJws(text: string, typ: JwsType, maxLength: number): ReadJws {
  const parts = splitCompactJws(text, maxLength);
  if (typeof parts === "string") return { problem: parts };
  const header = readJwsHeader(parts.header, typ, ["ES256"]);
  if (header.problem !== undefined) return { problem: header.problem };
  const { alg, kid } = header;
  const { signature, signingInput } = parts;
  if (signature.length !== 64) return { problem: `its signature is not one of ${alg}` };
  const payload = readObject(parts.payload);
  if (payload === undefined) return { problem: "its payload is not a JSON object that reads in one way" };
  return { jws: { alg, kid, payload, signingInput, signature } };
}

/** The parts of a compact JWS, or why it has none. They may be empty. Never throws. */
export function splitCompactJws(text: string, maxLength: number): JwsParts | string {
  if (text.length > maxLength) return `it is longer than ${maxLength} characters`;
  const [header, payload, signature, ...more] = text.split(".", 4).map(fromBase64Url);
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
    return "it is not three parts of base64url";
  return { header, payload, signature, signingInput: utf8(text.slice(0, text.lastIndexOf("."))) };
}

/**
 * Reads a JWS header of exactly `typ`, `alg` and `kid`: what it cannot hold, such as `jwk`, `jku`, `x5u`, `crit` or
 * `b64`, cannot mislead. Never throws.
 */
export function readJwsHeader(bytes: Uint8Array, typ: JwsType, allowed: readonly JwsAlgorithm[]): ReadHeader {
  const header = readObject(bytes);
  if (header === undefined)
    return { problem: "its header is not a JSON object that reads in one way", about: "form" };
  const { alg, kid } = header;
  if (alg !== undefined && !(allowed as readonly unknown[]).includes(alg))
    return {
      problem: `its alg is ${typeof alg === "string" ? quoteForeign(alg) : "not text"}`,
      about: "alg",
    };
  if (!hasMembers(header, ["alg", "kid", "typ"]))
    return { problem: "its header has not exactly the members typ, alg and kid", about: "form" };
  if (header["typ"] !== typ) return { problem: `its typ is not ${typ}`, about: "form" };
  if (typeof kid !== "string") return { problem: "its kid is not text", about: "form" };
  return { alg: alg as JwsAlgorithm, kid };
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
