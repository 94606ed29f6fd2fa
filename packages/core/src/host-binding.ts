import { crypto } from "#crypto";
import { toBase64Url } from "./encoding.js";
import type { Random } from "./key-agreement.js";

/** What version 1 does not sign and the nonce binds instead (docs/protocol.md, section 2, "Binding"). */
export interface Bound {
  /** As `normalizeHost` writes it. */
  readonly host: string;
  /** Content-Type as sent, outer white space removed; empty without a body or without the field. */
  readonly contentType: string;
  /** Content-Encoding, likewise. */
  readonly contentEncoding: string;
}

const encoder = new TextEncoder();
/** Bytes of randomness in a nonce, and bytes of binding. */
const half = 8;
/** Filled and hashed at one go, so that a verification allocates nothing for it. */
const scratch = new Uint8Array(1024);
const plainHost = /^[^\s\p{Cc}/?#@\\,*]+$/u;
/** A name that is no address, with or without a port that is no default one. */
const normalName = /^(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*(?::[1-9]\d{3})?$/;
const emptyLabel = /^\.|\.\./;

/**
 * One spelling for one host: lower case, punycode, bracketed IPv6, the port unless it is the scheme's default,
 * the trailing dot removed. A name has no empty labels.
 *
 * @param host a Host header or an entry of `audience`: "api.example.com", "localhost:3000"
 * @returns `undefined` for what is not a host
 */
export function normalizeHost(host: string, scheme: "http" | "https" = "http"): string | undefined {
  // A URL parser takes longer than all the rest of what is asked of most hosts.
  if (normalName.test(host) && !host.includes("xn--")) return host;
  if (!plainHost.test(host)) return undefined;
  try {
    const { host: normal } = new URL(`${scheme}://${host}`);
    // What looks like a character that no host has may be written as that character.
    return plainHost.test(normal) && !emptyLabel.test(normal) ? withoutTrailingDot(normal) : undefined;
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
export function boundNonce(bound: Bound, random: Random = crypto.randomBytes): string {
  const nonce = new Uint8Array(2 * half);
  nonce.set(random(half));
  const tag = bindingTag(bound, nonce);
  for (let i = 0; i < half; i++) nonce[half + i] = tag[i] as number;
  return toBase64Url(nonce);
}

/** Whether the 16 bytes of a nonce were made for this host, content type and encoding. */
export function nonceBinds(nonce: Uint8Array, bound: Bound): boolean {
  const tag = bindingTag(bound, nonce);
  let difference = 0;
  for (let i = 0; i < half; i++) difference |= (tag[i] as number) ^ (nonce[half + i] as number);
  return difference === 0;
}

/** A hash, of which the first 8 bytes are the tag. The first 8 of `nonce` go into it. */
function bindingTag(bound: Bound, nonce: Uint8Array): Uint8Array {
  const text = `AMv1-bind\n${bound.host}\n${bound.contentType}\n${bound.contentEncoding}\n`;
  const longest = text.length * 3 + half;
  const bytes = longest <= scratch.length ? scratch : new Uint8Array(longest);
  const { written } = encoder.encodeInto(text, bytes);
  for (let i = 0; i < half; i++) bytes[written + i] = nonce[i] as number;
  return crypto.sha256(bytes.subarray(0, written + half));
}

/** The hosts in a text such as AMESH_AUDIENCE, which has commas between them. They are not checked. */
export const splitHosts = (text: string): readonly string[] =>
  text
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "");
