import { fromBase64Url } from "./encoding.js";
import { type Failure, failure, quoteForeign } from "./errors.js";

/** The AuthMesh header of protocol version 1 (docs/protocol.md, section 2), read and checked for form. */
export interface AuthMeshHeader {
  /** The caller's compressed public key in standard base64, 44 characters. */
  readonly key: string;
  /** Unix seconds, as written. */
  readonly timestamp: string;
  /** Base64url, as written. */
  readonly nonce: string;
  /** 16 bytes. */
  readonly nonceBytes: Uint8Array;
  /** Raw r‖s, 64 bytes. */
  readonly signature: Uint8Array;
}

const longest = 1024;
const scheme = /^authmesh +/iy;
const pair = /([a-z]+)="([^"\\]*)"( *, *)?/y;
const names = ["v", "id", "ts", "nonce", "sig"];
/** The form that every client of ours writes, read at one go; what does not fit it is read member by member. */
const usual =
  /^AuthMesh v="1",id="([A-Za-z0-9+/]{44})",ts="([1-9][0-9]{9,11})",nonce="([\w-]{22})",sig="([\w-]{86})"$/;
const timestampPattern = /^[1-9][0-9]{9,11}$/;
const keyPattern = /^(?:[A-Za-z0-9+/]{44}|[A-Za-z0-9_-]{44})$/;

/** Whether an Authorization value is of a scheme of ours, AuthMesh or OathMesh, well written or not. */
export const hasSchemeOfOurs = (value: string): boolean => isAuthMesh(value) || isToken(value);

/** Whether it is of the scheme of devices, well written or not. */
export const isAuthMesh = (value: string): boolean => /^authmesh(?: |$)/i.test(value);

/** Whether it is of the scheme of tokens, well written or not. */
export const isToken = (value: string): boolean => /^oathmesh(?: |$)/i.test(value);

/**
 * Reads an Authorization value.
 *
 * @returns the header, or the failure `malformed_header` or `unsupported_version`
 */
export function parseAuthMeshHeader(value: string): AuthMeshHeader | Failure {
  if (value.length > longest) return notOurs(value, `it is longer than ${longest} characters`);
  const [whole, key, timestamp, nonce, sig] = usual.exec(value) ?? [];
  return whole === undefined
    ? readMembers(value)
    : complete(key as string, timestamp as string, nonce as string, sig as string);
}

function readMembers(value: string): AuthMeshHeader | Failure {
  scheme.lastIndex = 0;
  if (!scheme.test(value)) return notOurs(value, "it is not of the scheme AuthMesh");

  const members = new Map<string, string>();
  let offset = scheme.lastIndex;
  let open = true;
  while (open) {
    pair.lastIndex = offset;
    const [whole, name, content, comma] = pair.exec(value) ?? [];
    if (whole === undefined || name === undefined || content === undefined) {
      return malformed(`no key="value" at character ${offset}`);
    }
    // The version is read first, for what follows it may be of a form this verifier cannot read.
    if (name === "v" && content !== "1") {
      return failure(
        "unsupported_version",
        `The header is of version ${quoteForeign(content)}; this verifier knows 1.`,
      );
    }
    if (!names.includes(name)) return malformed(`${quoteForeign(name)} is not a member`);
    if (members.has(name)) return malformed(`the member ${name} occurs twice`);
    members.set(name, content);
    offset += whole.length;
    open = comma !== undefined;
  }
  if (offset !== value.length) return malformed(`it goes on after character ${offset}`);

  const missing = names.find((name) => !members.has(name));
  if (missing !== undefined) return malformed(`the member ${missing} is missing`);
  const [key, timestamp] = [members.get("id") as string, members.get("ts") as string];
  if (!keyPattern.test(key)) return malformed("id is not base64 of 33 bytes");
  if (!timestampPattern.test(timestamp)) return malformed("ts is not a Unix time in seconds");
  const standardKey = key.replaceAll("-", "+").replaceAll("_", "/");
  return complete(standardKey, timestamp, members.get("nonce") as string, members.get("sig") as string);
}

function complete(key: string, timestamp: string, nonce: string, sig: string): AuthMeshHeader | Failure {
  const nonceBytes = nonce.length === 22 ? fromBase64Url(nonce) : undefined;
  if (nonceBytes === undefined) return malformed("nonce is not base64url of 16 bytes");
  const signature = sig.length === 86 ? fromBase64Url(sig) : undefined;
  if (signature === undefined) return malformed("sig is not base64url of 64 bytes");
  return { key, timestamp, nonce, nonceBytes, signature };
}

/** Writes the header; `key` is standard base64, `nonce` and `signature` base64url. */
export function formatAuthMeshHeader(
  key: string,
  timestamp: string,
  nonce: string,
  signature: string,
): string {
  return `AuthMesh v="1",id="${key}",ts="${timestamp}",nonce="${nonce}",sig="${signature}"`;
}

/** Who shows a token here took one verifier for another. */
const notOurs = (value: string, why: string): Failure =>
  isToken(value)
    ? failure(
        "malformed_header",
        "The Authorization header holds a token, and this route verifies devices.",
        "Verify tokens with verifyToken; or call this route without one: amesh.fetch signs the request with the device's key.",
      )
    : malformed(why);

const malformed = (why: string): Failure =>
  failure("malformed_header", `The Authorization header cannot be read: ${why}.`);
