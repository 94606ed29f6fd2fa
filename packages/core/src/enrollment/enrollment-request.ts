import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "../canonical-json.js";
import { concatBytes, utf8 } from "../encoding.js";
import { quoteForeign } from "../errors.js";
import { sha256 } from "../hash.js";
import { PublicKey } from "../public-key.js";
import { integer, Misfit, optional, type Reader, type RecordOf, record, text, time } from "../records.js";
import { asScopes, isGrant, mostGrants, type Scopes } from "../scopes.js";
import { type Signable, signableEnrollmentRequest } from "../signable.js";
import { accountText, labelText } from "./enrollment-names.js";

const scopes: Reader<Scopes> = (value, at) => {
  const scopes = asScopes(value);
  if (scopes !== undefined && Object.keys(scopes).length > 0) return scopes;
  const odd = isJsonObject(value) && Object.entries(value).find(([name, access]) => !isGrant(name, access));
  if (odd)
    throw new Misfit(`${at} has ${quoteForeign(`${odd[0]}: ${JSON.stringify(odd[1])}`)}, which is no scope`, {
      fix: 'Write names in lower case with r or rw, such as {"orders": "rw", "profile": "r"}.',
    });
  throw new Misfit(`${at} is not a map of 1 to ${mostGrants} scopes`, {
    fix: 'Name at least one, such as {"orders": "rw", "profile": "r"}.',
  });
};

export const publicKeyText: Reader<string> = (value, at) => {
  const key = typeof value === "string" ? PublicKey.tryBase64(value) : undefined;
  if (key?.base64 === value) return key.base64;
  throw new Misfit(`${at} is not a P-256 public key, compressed and in base64`);
};

/** Seconds that an enrollment may be asked for: a minute to ten years. */
export const enrollmentLifetime = integer(60, 315_360_000);

const shape = {
  account: accountText,
  appName: labelText,
  deviceName: labelText,
  publicKey: publicKeyText,
  scopes,
  lifetime: optional(enrollmentLifetime),
  origin: text(/^https?:\/\/[\x21-\x7e]{1,255}$/, "an origin such as https://issuer.example.com"),
  issuedAt: time,
  random: text(/^[\w-]{22}$/, "22 characters of base64url"),
};

/** What a new machine asks for, signed by its key (docs/protocol.md, section 10.6). Times are Unix seconds. */
export type EnrollmentRequest = Readonly<RecordOf<typeof shape>>;

/** @throws Misfit */
export const readEnrollmentRequest: Reader<EnrollmentRequest> = record(shape);

/** Grants that are asked for or given. @throws Misfit for an empty map, too */
export const readRequestedScopes: Reader<Scopes> = scopes;

/**
 * Grants that a machine asks for. Of the reserved names, which `*` does not reach, a root holds `__manage` alone.
 *
 * @throws Misfit for another reserved name: nobody could grant it
 */
export const readAskedScopes: Reader<Scopes> = (value, at) => {
  const asked = scopes(value, at);
  const reserved = Object.keys(asked).find((name) => /^__(?!manage(\.|$))/.test(name));
  if (reserved === undefined) return asked;
  throw new Misfit(`${at} has ${reserved}, a reserved name that nobody can grant`, {
    fix: "Ask for __manage, or for names that do not begin with __.",
  });
};

const asJson = (request: EnrollmentRequest): JsonValue => request as unknown as JsonObject;

/** What the key signs. */
export const signableRequestOf = (request: EnrollmentRequest): Signable =>
  signableEnrollmentRequest(request.origin, asJson(request));

/** SHA-256 of the request's canonical JSON. */
export const requestDigest = (request: EnrollmentRequest): Uint8Array =>
  sha256(canonicalJson(asJson(request)));

/**
 * The six digits that both sides show (docs/protocol.md, section 10.6): whoever put another request in the place of one has
 * one chance in a million that they are equal, since the authority draws `s` once the request is stored.
 *
 * @param s 32 bytes
 */
export const comparisonCode = (request: EnrollmentRequest, s: Uint8Array): string =>
  comparisonCodeOf(requestDigest(request), s);

/** The same, where of the request only its digest is known. */
export function comparisonCodeOf(requestDigest: Uint8Array, s: Uint8Array): string {
  const digest = sha256(concatBytes(utf8("amesh/enroll/1 compare"), requestDigest, s));
  const number = new DataView(digest.buffer, digest.byteOffset, 8).getBigUint64(0) % 1_000_000n;
  return String(number).padStart(6, "0");
}
