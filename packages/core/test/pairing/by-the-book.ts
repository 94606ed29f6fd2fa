import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  getCiphers,
  verify,
} from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

/**
 * Section 5 of docs/protocol.md a second time, written from the text alone and with nothing of the package: what
 * the tests compare with, and what their attackers are made of.
 */

export const sha256 = (...parts: (Uint8Array | string)[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const hmac = (key: Uint8Array, ...parts: (Uint8Array | string)[]): Buffer => {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

export const commitment = (share: Uint8Array): Buffer => sha256("amesh/pair/1 commit", share);

export function ecdh(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  const own = createECDH("prime256v1");
  own.setPrivateKey(privateKey);
  const secret = own.computeSecret(publicKey);
  return Buffer.concat([Buffer.alloc(32 - secret.length), secret]);
}

export function pointOf(privateKey: Uint8Array): Buffer {
  const own = createECDH("prime256v1");
  own.setPrivateKey(privateKey);
  return own.getPublicKey(null, "compressed") as unknown as Buffer;
}

export interface Seen {
  readonly code: string;
  readonly commitment: Uint8Array;
  readonly targetShare: Uint8Array;
  readonly controllerShare: Uint8Array;
}

export const transcript = (seen: Seen): Buffer =>
  sha256("amesh/pair/1", seen.code, seen.commitment, seen.targetShare, seen.controllerShare);

/** HKDF-SHA-256 of one block (RFC 5869): extract, then the first block of expand. */
export const hkdf = (secret: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  hmac(hmac(salt, secret), info, Uint8Array.of(1));

export function verificationCode(secret: Uint8Array, h: Uint8Array, digits = 6): string {
  const number = hmac(hkdf(secret, h, "amesh/pair/1 sas"), h).readBigUInt64BE(0);
  return (number % 10n ** BigInt(digits)).toString().padStart(digits, "0");
}

export const keys = (secret: Uint8Array, h: Uint8Array) => ({
  c2t: hkdf(secret, h, "amesh/pair/1 c2t"),
  t2c: hkdf(secret, h, "amesh/pair/1 t2c"),
});

const nonce = (count: number) => Buffer.from(count.toString(16).padStart(24, "0"), "hex");

/** Bun's `node:crypto` has no such cipher: there, and only there, the second opinion is another library's. */
const hasCipher = getCiphers().includes("chacha20-poly1305");

export function seal(key: Uint8Array, count: number, h: Uint8Array, type: number, plaintext: string): Buffer {
  const bytes = Buffer.from(plaintext);
  const associated = Buffer.concat([h, Buffer.of(type)]);
  if (!hasCipher)
    return Buffer.concat([Buffer.of(type), chacha20poly1305(key, nonce(count), associated).encrypt(bytes)]);
  const cipher = createCipheriv("chacha20-poly1305", key, nonce(count), { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: bytes.length });
  return Buffer.concat([Buffer.of(type), cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

export function open(key: Uint8Array, count: number, h: Uint8Array, frame: Uint8Array): string {
  const associated = Buffer.concat([h, frame.subarray(0, 1)]);
  if (!hasCipher)
    return Buffer.from(chacha20poly1305(key, nonce(count), associated).decrypt(frame.subarray(1))).toString();
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce(count), { authTagLength: 16 });
  const body = frame.subarray(1, -16);
  decipher.setAAD(associated, { plaintextLength: body.length });
  decipher.setAuthTag(frame.subarray(-16));
  return Buffer.concat([decipher.update(body), decipher.final()]).toString();
}

/** RFC 8785 of the two members, for names without characters that JSON escapes. */
export const statement = (publicKey: string, friendlyName: string): string =>
  `{"friendlyName":"${friendlyName}","publicKey":"${publicKey}"}`;

export const signedBytes = (role: "controller" | "target", h: Uint8Array, statementText: string): Buffer =>
  Buffer.concat([Buffer.from(`amesh/pair/1 identity${role}`), h, sha256(statementText)]);

export function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const spki = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
  const key = createPublicKey({ key: Buffer.concat([spki, publicKey]), format: "der", type: "spki" });
  return verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}
