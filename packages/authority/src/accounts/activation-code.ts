import { createHmac } from "node:crypto";
import type { Random } from "@authmesh/core";

/** Seconds that a code is good for. */
export const activationLife = 900;

/** Wrong codes for one account after which all of its codes are dead. */
export const activationTries = 5;

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** 40 random bits in base32, `ABCD-EFGH`. */
export function newActivationCode(random: Random): string {
  const letters = Array.from(random(8), (byte) => alphabet[byte & 31]).join("");
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** A code as a person typed it, in the one form that is hashed; undefined for what is none. */
export function readActivationCode(text: string): string | undefined {
  const letters = text.toUpperCase().replace(/[\s-]/g, "");
  return /^[A-Z2-7]{8}$/.test(letters) ? `${letters.slice(0, 4)}-${letters.slice(4)}` : undefined;
}

/** What the database has of a code: who reads it could try all codes against a digest without a key. */
export const activationDigest = (key: Uint8Array, account: string, code: string): string =>
  createHmac("sha256", key).update(`${account}\n${code}`).digest("base64url");
