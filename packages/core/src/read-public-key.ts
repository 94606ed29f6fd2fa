import { concatBytes, fromBase64, fromBase64Url, toHex } from "./encoding.js";
import { AmeshError } from "./errors.js";
import { PublicKey } from "./public-key.js";
import { parseStrictJson } from "./strict-json.js";

/** Longer than any way to write one key. */
const maxLength = 4096;

/** SubjectPublicKeyInfo of id-ecPublicKey with prime256v1 (RFC 5480), up to the point: compressed, uncompressed. */
const spkiPrefixes = [
  "3039301306072a8648ce3d020106082a8648ce3d030107032200",
  "3059301306072a8648ce3d020106082a8648ce3d030107034200",
];

const spellings: readonly { readonly looks: RegExp; readonly read: (text: string) => PublicKey }[] = [
  { looks: /^-----BEGIN /, read: fromPem },
  { looks: /^\{/, read: fromJwk },
  { looks: /^/, read: fromText },
];

/**
 * Reads a P-256 public key as other programs write it: PEM, a JWK (RFC 7517), SubjectPublicKeyInfo in DER, or the
 * compressed or uncompressed point; the last two as bytes, or as base64 or base64url of them.
 *
 * @throws AmeshError `invalid_public_key`, also for what holds a private key
 */
export function readPublicKey(key: string | Uint8Array): PublicKey {
  if (typeof key !== "string") return fromBytes(key);
  const trimmed = key.length > maxLength ? "" : key.trim();
  const spelling = spellings.find(({ looks }) => looks.test(trimmed));
  if (trimmed === "" || spelling === undefined) throw invalid("There is no key in this text.");
  return spelling.read(trimmed);
}

function fromPem(text: string): PublicKey {
  if (text.includes("PRIVATE KEY")) throw privateKeyGiven();
  const [, body = ""] =
    /^-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(text) ?? [];
  const der = fromBase64(body.replace(/\s/g, ""));
  if (der === undefined) throw invalid("The PEM text is not one public key.");
  return fromSpki(der);
}

function fromSpki(der: Uint8Array): PublicKey {
  const prefix = spkiPrefixes.find((candidate) => toHex(der.subarray(0, candidate.length / 2)) === candidate);
  if (prefix === undefined || der.length !== 2 + (der[1] as number))
    throw invalid("The SubjectPublicKeyInfo is not that of one public key of P-256.");
  return fromPoint(der.subarray(prefix.length / 2));
}

function fromJwk(text: string): PublicKey {
  const { value } = parseStrictJson(text);
  return publicKeyOfJwk((value ?? {}) as Readonly<Record<string, unknown>>);
}

/** The key of a JWK (RFC 7517) that was parsed already. @throws AmeshError `invalid_public_key` */
export function publicKeyOfJwk(jwk: Readonly<Record<string, unknown>>): PublicKey {
  const { kty, crv, x, y, d } = jwk;
  if (d !== undefined) throw privateKeyGiven();
  const [left, right] = [x, y].map((part) => (typeof part === "string" ? fromBase64Url(part) : undefined));
  if (kty !== "EC" || crv !== "P-256" || left?.length !== 32 || right?.length !== 32)
    throw invalid("This is not a JWK with kty EC, crv P-256, x and y.");
  return fromPoint(concatBytes(Uint8Array.of(4), left, right));
}

function fromText(text: string): PublicKey {
  const bytes = fromBase64(text) ?? fromBase64Url(text);
  if (bytes === undefined) throw invalid("This is neither PEM, nor a JWK, nor base64.");
  return fromBytes(bytes);
}

/** A SEQUENCE begins with 30 (hex), a point with 02, 03 or 04. */
const fromBytes = (bytes: Uint8Array): PublicKey => (bytes[0] === 0x30 ? fromSpki(bytes) : fromPoint(bytes));

/** A point of SEC 1, 2.3.4. */
function fromPoint(point: Uint8Array): PublicKey {
  if (point.length !== 65 || point[0] !== 4) return PublicKey.fromBytes(point);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  if (!isOnCurve(toInteger(x), toInteger(y))) throw invalid("The point is not on the curve P-256.");
  return PublicKey.fromBytes(concatBytes(Uint8Array.of(2 + ((y[31] as number) & 1)), x));
}

// SEC 2, 2.4.2: y² = x³ − 3x + b over the integers modulo p.
const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

const isOnCurve = (x: bigint, y: bigint): boolean =>
  x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;

const toInteger = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);

const invalid = (detail: string) => new AmeshError("invalid_public_key", detail);
const privateKeyGiven = () =>
  invalid("This is a private key. It stays where it is; give the public key that belongs to it.");
