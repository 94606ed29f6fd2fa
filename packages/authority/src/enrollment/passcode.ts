import { createHmac } from "node:crypto";
import { type Random, toBase64Url } from "@authmesh/core";
import { randomText } from "./random-text.js";

const alphabet = "ABCDEFGHJKMNPQRSTVWXYZ23456789";
const passcodeLength = 6;
const invitationPrefix = "amesh_inv_";

/** docs/protocol.md, section 10.5. */
export const newPasscode = (random: Random): string => randomText(random, alphabet, passcodeLength);

/** Whether a text could be one, which is short enough to be guessed at. */
export const hasFormOfPasscode = (text: string): boolean =>
  text.length === passcodeLength && [...text.toUpperCase()].every((letter) => alphabet.includes(letter));

/** 128 random bits. */
export const newInvitationSecret = (random: Random): string => invitationPrefix + toBase64Url(random(16));

/**
 * What the authority keeps of either. Who times the look-up of it learns nothing: a text near the right one has quite another digest,
 * and nobody without the key can make one.
 */
export function passcodeDigest(key: Uint8Array, account: string, secret: string): string {
  const one = secret.startsWith(invitationPrefix) ? secret : secret.toUpperCase();
  return createHmac("sha256", key).update(`amesh/passcode/1\n${account}\n${one}`).digest("base64url");
}
