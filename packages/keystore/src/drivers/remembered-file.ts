import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { AmeshError, fromBase64Url, toBase64Url, utf8 } from "@authmesh/core";
import { oneOf, readDocument, record, text } from "@authmesh/core/records";
import { base64Url } from "../internal/members.js";

export const maxRemembered = 64;

const shape = record({
  version: oneOf(1),
  value: text(/^[A-Za-z0-9_-]{0,86}$/, "at most 64 bytes of base64url"),
  mac: base64Url(43),
});

/** @throws TypeError for more bytes than a key store remembers */
export function checkRemembered(bytes: Uint8Array): void {
  if (bytes.length > maxRemembered)
    throw new TypeError(`A key store remembers at most ${maxRemembered} bytes.`);
}

/** A few bytes under a MAC, its key derived from the sealing secret (docs/protocol.md, section 11). */
export function writeRemembered(value: Uint8Array, secret: Uint8Array): string {
  const file = { version: 1, value: toBase64Url(value), mac: toBase64Url(macOf(value, secret)) };
  return `${JSON.stringify(file)}\n`;
}

/** @throws AmeshError `key_store_damaged` */
export function readRemembered(bytes: Uint8Array, secret: Uint8Array): Uint8Array {
  const file = readDocument(bytes, shape, "key_store_damaged", "What the key store remembers");
  const value = fromBase64Url(file.value);
  const mac = fromBase64Url(file.mac);
  if (value === undefined || mac === undefined || !timingSafeEqual(macOf(value, secret), mac))
    throw new AmeshError("key_store_damaged", "What the key store remembers was changed by something else.");
  return value;
}

function macOf(value: Uint8Array, secret: Uint8Array): Buffer {
  const key = Buffer.from(hkdfSync("sha256", secret, "", utf8("amesh/remembered/1"), 32));
  return createHmac("sha256", key).update(value).digest();
}
