import { friendlyName, fromBase64, fromBase64Url } from "@authmesh/core";
import { Misfit, type Reader, text } from "@authmesh/core/records";

/** Members that more than one file has. */

export { deviceId } from "@authmesh/core/records";

/** A compressed point in standard base64; whether it lies on the curve is found out when it is imported. */
export const publicKey: Reader<string> = text(/^[A-Za-z0-9+/]{44}$/, "base64 of 33 bytes");

export const base64Url = (characters: number): Reader<string> =>
  text(new RegExp(`^[A-Za-z0-9_-]{${characters}}$`), `${characters} characters of base64url`);

/** The bytes themselves, `min` to `max` of them. */
const bytesIn =
  (encoding: string, decode: (text: string) => Uint8Array | undefined) =>
  (min: number, max: number): Reader<Uint8Array> =>
  (value, at) => {
    const bytes = typeof value === "string" ? decode(value) : undefined;
    if (bytes !== undefined && bytes.length >= min && bytes.length <= max) return bytes;
    throw new Misfit(`${at} is not ${encoding} of ${min === max ? min : `${min} to ${max}`} bytes`);
  };

export const base64Bytes = bytesIn("base64", fromBase64);
export const base64UrlBytes = bytesIn("base64url", fromBase64Url);

/** A name that cleaning leaves as it is. */
export const cleanName: Reader<string> = (value, at) => {
  if (typeof value === "string" && isClean(value)) return value;
  throw new Misfit(`${at} is not a name as friendlyName gives it`);
};

function isClean(name: string): boolean {
  try {
    return friendlyName(name) === name;
  } catch {
    return false;
  }
}
