import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { CryptoProvider } from "./provider.js";

const asBytes = (data: Uint8Array | string): Uint8Array =>
  typeof data === "string" ? utf8ToBytes(data) : data;

export const crypto: CryptoProvider = {
  name: "portable",
  randomBytes: (length) => randomBytes(length),
  sha256: (data) => sha256(asBytes(data)),
  sha256Hex: (data) => bytesToHex(sha256(asBytes(data))),
  createHash(algorithm) {
    const running = { sha256, sha512 }[algorithm].create();
    return { update: (data) => void running.update(data), digest: () => running.digest() };
  },
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdfSha256: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),
  equal(a, b) {
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
    return difference === 0;
  },
  generatePrivateKey: () => p256.utils.randomSecretKey(),
  publicKeyOf: (privateKey) => p256.getPublicKey(privateKey, true),
  uncompressed: (compressed) => p256.Point.fromBytes(compressed).toBytes(false),
  importPublicKey(compressed) {
    const key = Uint8Array.from(compressed);
    p256.Point.fromBytes(key).assertValidity();
    return {
      verify(message, signature) {
        try {
          return signature.length === 64 && p256.verify(signature, message, key, { lowS: false });
        } catch {
          return false;
        }
      },
    };
  },
  importPrivateKey(privateKey) {
    const key = Uint8Array.from(privateKey);
    if (!p256.utils.isValidSecretKey(key)) throw new RangeError("not a P-256 private key");
    return { sign: (message) => p256.sign(message, key, { lowS: true }) };
  },
  importEd25519PublicKey(bytes) {
    const key = Uint8Array.from(bytes);
    return {
      verify(message, signature) {
        try {
          return signature.length === 64 && ed25519.verify(signature, message, key, { zip215: false });
        } catch {
          return false;
        }
      },
    };
  },
  importEd25519PrivateKey(seed) {
    const key = Uint8Array.from(seed);
    return { publicKey: ed25519.getPublicKey(key), sign: (message) => ed25519.sign(message, key) };
  },
  ecdh: (privateKey, publicKey) => p256.getSharedSecret(privateKey, publicKey, true).slice(1),
  seal: (key, nonce, plaintext, associated) => chacha20poly1305(key, nonce, associated).encrypt(plaintext),
  open(key, nonce, sealed, associated) {
    try {
      return chacha20poly1305(key, nonce, associated).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};
