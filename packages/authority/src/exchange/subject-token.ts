import {
  type Failure,
  failure,
  fromBase64Url,
  isJsonObject,
  type JsonObject,
  parseStrictJson,
  quoteForeign,
  utf8,
} from "@authmesh/core";

/** A provider's token, read and not verified. */
export interface SubjectToken {
  readonly alg: string;
  readonly kid: string;
  readonly claims: JsonObject;
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** GitLab lists up to 200 groups in a token. */
const longest = 32_768;
const longestKid = 256;

/**
 * Reads a JWT (RFC 7519) of an OIDC provider: three parts of canonical base64url, strict JSON, and in the header only
 * what can be honoured. A key, or the address of one, that a header names is never looked at.
 */
export function readSubjectToken(text: string): SubjectToken | Failure {
  if (text.length > longest) return malformed(`it is longer than ${longest} characters`);
  const parts = text.split(".");
  const [headerBytes, payloadBytes, signature] = parts.length === 3 ? parts.map(fromBase64Url) : [];
  if (headerBytes === undefined || payloadBytes === undefined || signature === undefined)
    return malformed("it is not three parts of base64url");
  const header = parseStrictJson(headerBytes).value;
  if (!isJsonObject(header)) return malformed("its header is not a JSON object that reads in one way");
  const { alg, kid, typ = "JWT" } = header;
  if (typeof typ !== "string" || typ.toUpperCase() !== "JWT") return malformed("its typ is not JWT");
  const critical = ["crit", "b64"].find((name) => Object.hasOwn(header, name));
  if (critical !== undefined) return malformed(`its header has ${critical}`);
  if (typeof alg !== "string") return malformed("its alg is not text");
  if (typeof kid !== "string" || kid === "" || kid.length > longestKid)
    return malformed(`its kid is not text of 1 to ${longestKid} characters`);
  const claims = parseStrictJson(payloadBytes).value;
  if (!isJsonObject(claims)) return malformed("its payload is not a JSON object that reads in one way");
  return { alg, kid, claims, signature, signingInput: utf8(text.slice(0, text.lastIndexOf("."))) };
}

/** What an unverified token says, fit for a log. */
export const quoteClaim = (value: unknown): string =>
  typeof value === "string" ? quoteForeign(value) : value === undefined ? "absent" : "not text";

const malformed = (why: string): Failure =>
  failure(
    "token_malformed",
    `The subject token cannot be read: ${why}.`,
    "Send the provider's ID token as it came.",
  );
