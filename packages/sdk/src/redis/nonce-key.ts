import { createHash } from "node:crypto";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Nonces are spread over 64 slots of a cluster; each has a marker in the same slot. */
export const slots: readonly string[] = [...alphabet];

export interface NonceKey {
  /** One of `slots`. */
  readonly slot: string;
  /** "am:{x}…": 128 bits of the nonce's SHA-256, the first character being the slot. */
  readonly key: string;
}

/** Where a nonce is kept. Text of any length is one of 2^128 keys. */
export function nonceKey(prefix: string, nonce: string): NonceKey {
  const digest = createHash("sha256").update(nonce).digest().subarray(0, 16).toString("base64url");
  const slot = digest[0] as string;
  return { slot, key: `${prefix}{${slot}}${digest.slice(1)}` };
}

/** Where the marker of a slot is kept; no nonce's key is as short. */
export const markerKey = (prefix: string, slot: string): string => `${prefix}{${slot}}`;
