import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  ECDH,
  hash,
  hkdfSync,
  randomFillSync,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import type { CryptoProvider } from "./provider.js";

const curve = "prime256v1";
// DER wrappers around bare keys: SubjectPublicKeyInfo for a compressed point, the same and PKCS #8 for Ed25519, SEC1 ECPrivateKey for a scalar and its uncompressed point.
const spkiPrefix = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
const ed25519SpkiPrefix = Buffer.from("302a300506032b6570032100", "hex");
const ed25519Pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");
const sec1Prefix = Buffer.from("30770201010420", "hex");
const sec1Curve = Buffer.from("a00a06082a8648ce3d030107a144034200", "hex");

// Asking the kernel costs more than a hash, so it is asked for 4 KiB at a time; bytes are handed out once and wiped.
const pool = Buffer.alloc(4096);
let poolOffset = pool.length;

export const crypto: CryptoProvider = {
  name: "node",
  randomBytes(length) {
    if (length > 256) return randomFillSync(new Uint8Array(length));
    if (poolOffset + length > pool.length) {
      randomFillSync(pool);
      poolOffset = 0;
    }
    const bytes = new Uint8Array(length);
    bytes.set(pool.subarray(poolOffset, poolOffset + length));
    pool.fill(0, poolOffset, poolOffset + length);
    poolOffset += length;
    return bytes;
  },
  sha256(data) {
    // Three times as fast as asking for a Buffer.
    const text = hash("sha256", data, "binary");
    const bytes = new Uint8Array(32);
    for (let i = 0; i < 32; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  },
  sha256Hex: (data) => hash("sha256", data, "hex"),
  createHash(algorithm) {
    const running = createHash(algorithm);
    return { update: (data) => void running.update(data), digest: () => running.digest() };
  },
  hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest(),
  hkdfSha256: (secret, salt, info, length) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  generatePrivateKey() {
    const pair = createECDH(curve);
    pair.generateKeys();
    return leftPad(pair.getPrivateKey());
  },
  publicKeyOf(privateKey) {
    const pair = createECDH(curve);
    pair.setPrivateKey(privateKey);
    return new Uint8Array(pair.getPublicKey(null, "compressed"));
  },
  uncompressed(compressed) {
    // Typed as text or bytes; without an encoding it is bytes.
    const point = ECDH.convertKey(compressed, curve, undefined, undefined, "uncompressed") as Buffer;
    return new Uint8Array(point);
  },
  importPublicKey(compressed) {
    const key = createPublicKey({
      key: Buffer.concat([spkiPrefix, compressed]),
      format: "der",
      type: "spki",
    });
    const options = { key, dsaEncoding: "ieee-p1363" } as const;
    return {
      verify: (message, signature) =>
        signature.length === 64 && verify("sha256", message, options, signature),
    };
  },
  importPrivateKey(privateKey) {
    const pair = createECDH(curve);
    pair.setPrivateKey(privateKey); // refuses 0 and n, which the DER reader lets pass
    // The public half is optional in SEC1, but BoringSSL, which Bun uses, reads no key without.
    const der = Buffer.concat([sec1Prefix, privateKey, sec1Curve, pair.getPublicKey()]);
    const key = createPrivateKey({ key: der, format: "der", type: "sec1" });
    der.fill(0);
    const options = { key, dsaEncoding: "ieee-p1363" } as const;
    return { sign: (message) => sign("sha256", message, options) };
  },
  importEd25519PublicKey(bytes) {
    const der = Buffer.concat([ed25519SpkiPrefix, bytes]);
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return {
      verify: (message, signature) => signature.length === 64 && verify(null, message, key, signature),
    };
  },
  importEd25519PrivateKey(seed) {
    const der = Buffer.concat([ed25519Pkcs8Prefix, seed]);
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    der.fill(0);
    const publicDer = createPublicKey(key).export({ format: "der", type: "spki" });
    const publicKey = new Uint8Array(publicDer.subarray(ed25519SpkiPrefix.length));
    return { publicKey, sign: (message) => sign(null, message, key) };
  },
  ecdh(privateKey, publicKey) {
    const own = createECDH(curve);
    own.setPrivateKey(privateKey);
    return leftPad(own.computeSecret(publicKey));
  },
  seal(key, nonce, plaintext, associated) {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    cipher.setAAD(associated, { plaintextLength: plaintext.length });
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  },
  open(key, nonce, sealed, associated) {
    if (sealed.length < 16) return undefined;
    const body = sealed.subarray(0, -16);
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    decipher.setAAD(associated, { plaintextLength: body.length });
    decipher.setAuthTag(sealed.subarray(-16));
    try {
      return Buffer.concat([decipher.update(body), decipher.final()]);
    } catch {
      return undefined;
    }
  },
};

/** OpenSSL drops the leading zeros of a scalar. All of them are secrets: what came without is wiped. */
function leftPad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(32);
  padded.set(bytes, 32 - bytes.length);
  bytes.fill(0);
  return padded;
}
