import { createHmac } from "node:crypto";
import { type Random, toBase64Url } from "@authmesh/core";
import { randomText } from "./random-text.js";

const alphabet = "ABCDEFGHJKMNPQRSTVWXYZ23456789";
const invitationPrefix = "amesh_inv_";

/** docs/protocol.md, section 10.5. */
export const newPasscode = (random: Random): string => randomText(random, alphabet, 6);

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
