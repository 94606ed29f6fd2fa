/**
 * What core asks of a cryptographic library. Two files satisfy it: `node.ts` (OpenSSL through `node:crypto`)
 * and `portable.ts` (pure JavaScript, for runtimes without `node:crypto`), and `bun.ts` is made of both; `#crypto`
 * picks one when the package is resolved, and the core suite runs over each.
 */
export interface CryptoProvider {
  readonly name: "node" | "portable";
  /** Fresh bytes from the system's CSPRNG. */
  randomBytes(length: number): Uint8Array;
  sha256(data: Uint8Array | string): Uint8Array;
  /** Lower-case hex. */
  sha256Hex(data: Uint8Array | string): string;
  /** For bytes that arrive in pieces. */
  createHash(algorithm: "sha256" | "sha512"): RunningHash;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Compares in constant time; arrays of different length are different. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  generatePrivateKey(): Uint8Array;
  /** The compressed point of a 32-byte private key. Throws when the scalar is not in [1, n-1]. */
  publicKeyOf(privateKey: Uint8Array): Uint8Array;
  /** The 65 bytes of a compressed point. Throws when it is not a point of the curve. */
  uncompressed(compressed: Uint8Array): Uint8Array;
  /** Imports a compressed point once, for many verifications. Throws when it is not a point of the curve. */
  importPublicKey(compressed: Uint8Array): VerifyingKey;
  /** Imports a private key once, for many signatures. Throws when the scalar is not in [1, n-1]. */
  importPrivateKey(privateKey: Uint8Array): SigningKey;
  /** Imports the 32 bytes of an Ed25519 public key once, for many verifications (RFC 8032). Checks nothing. */
  importEd25519PublicKey(bytes: Uint8Array): VerifyingKey;
  /** Imports an Ed25519 private key of 32 bytes once, for many signatures. */
  importEd25519PrivateKey(seed: Uint8Array): SigningKey & { readonly publicKey: Uint8Array };
  /** The x-coordinate of the shared point. Throws when the peer's key is not a point of the curve. */
  ecdh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext followed by the 16-byte tag. */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** The plaintext, or `undefined` when the tag does not fit. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associated: Uint8Array,
  ): Uint8Array | undefined;
}

export interface RunningHash {
  update(data: Uint8Array): void;
  digest(): Uint8Array;
}

export interface SigningKey {
  /** 64 bytes: ECDSA-P256-SHA256 as raw r‖s, where s may be high, or Ed25519. */
  sign(message: Uint8Array): Uint8Array;
}

export interface VerifyingKey {
  /** False for anything that is not a valid signature of 64 bytes; never a throw. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}
