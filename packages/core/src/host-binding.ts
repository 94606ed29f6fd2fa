import { crypto } from "#crypto";
import { concatBytes, toBase64Url, utf8 } from "./encoding.js";

/** What version 1 does not sign and the nonce binds instead (docs/protocol.md, section 2, "Binding"). */
export interface Bound {
  /** As `normalizeHost` writes it. */
  readonly host: string;
  /** Content-Type as sent, outer white space removed; empty without a body or without the field. */
  readonly contentType: string;
  /** Content-Encoding, likewise. */
  readonly contentEncoding: string;
}

const plainHost = /^[^\s\p{Cc}/?#@\\]+$/u;

/**
 * One spelling for one host: lower case, punycode, bracketed IPv6, the port unless it is the scheme's default,
 * one trailing dot removed.
 *
 * @param host a Host header or an entry of `audience`: "api.example.com", "localhost:3000"
 * @returns `undefined` for what is not a host
 */
export function normalizeHost(host: string, scheme: "http" | "https" = "http"): string | undefined {
  if (!plainHost.test(host)) return undefined;
  try {
    const { host: normal } = new URL(`${scheme}://${host}`);
    return withoutTrailingDot(normal) || undefined;
  } catch {
    return undefined;
  }
}

/** "api.example.com." and "api.example.com" are one host in the DNS. */
export const withoutTrailingDot = (host: string): string => host.replace(/\.(?=$|:\d+$)/, "");

/**
 * Makes a nonce that carries the binding: 8 random bytes and the first 8 of a hash over them and what is bound,
 * as the downgrade sentinel in a TLS 1.3 server random does (RFC 8446, 4.1.3).
 *
 * @returns 16 bytes in base64url, 22 characters
 */
export function boundNonce(
  bound: Bound,
  random: (length: number) => Uint8Array = crypto.randomBytes,
): string {
  const seed = random(8);
  return toBase64Url(concatBytes(seed, bindingTag(bound, seed)));
}

/** Whether the 16 bytes of a nonce were made for this host, content type and encoding. */
export function nonceBinds(nonce: Uint8Array, bound: Bound): boolean {
  return crypto.equal(nonce.subarray(8, 16), bindingTag(bound, nonce.subarray(0, 8)));
}

function bindingTag(bound: Bound, seed: Uint8Array): Uint8Array {
  const text = `AMv1-bind\n${bound.host}\n${bound.contentType}\n${bound.contentEncoding}\n`;
  return crypto.sha256(concatBytes(utf8(text), seed)).subarray(0, 8);
}
