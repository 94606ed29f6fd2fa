import { crypto } from "#crypto";
import { utf8 } from "./encoding.js";
import { AmeshError } from "./errors.js";

/** Fresh bytes from a CSPRNG; a parameter, so that tests can repeat what they saw. */
export type Random = (length: number) => Uint8Array;

/** Fresh bytes from the system's CSPRNG. */
export const randomBytes: Random = (length) => crypto.randomBytes(length);

/** A key pair made for one handshake: 32 bytes of private key, the compressed point of 33 bytes. */
export interface EphemeralKeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * Makes a P-256 key pair for one handshake.
 *
 * @param random where the private key comes from; the system's CSPRNG by default
 *
 * @example
 * const { privateKey, publicKey } = generateEphemeralKeyPair(); // 32 and 33 bytes
 */
export function generateEphemeralKeyPair(random: Random = crypto.randomBytes): EphemeralKeyPair {
  // One draw in 2^32 is not a scalar of the curve; a source that misses twice is not random.
  for (let draws = 0; draws < 2; draws++) {
    const privateKey = random(32);
    const publicKey = publicKeyOf(privateKey);
    if (publicKey !== undefined) return { privateKey, publicKey };
  }
  throw new TypeError("The random source yields no P-256 private key.");
}

/**
 * Elliptic-curve Diffie-Hellman on P-256 (SEC 1, 3.3.1). The peer's point is checked to lie on the curve.
 *
 * @param privateKey 32 bytes
 * @param publicKey the peer's compressed point, 33 bytes
 * @returns the x-coordinate of the shared point, 32 bytes: not a key yet, see {@link deriveSessionKey}
 * @throws AmeshError `invalid_public_key`
 * @throws TypeError when `privateKey` is not a private key of P-256
 */
export function computeSharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  // Length and form first: some libraries would take an uncompressed point too.
  const compressed = publicKey.length === 33 && (publicKey[0] === 2 || publicKey[0] === 3);
  try {
    if (compressed && privateKey.length === 32) return crypto.ecdh(privateKey, publicKey);
  } catch {
    // One of the two is to blame; only a failure pays for finding out which.
  }
  if (publicKeyOf(privateKey) === undefined) throw new TypeError("This is not a P-256 private key.");
  throw new AmeshError("invalid_public_key", "The peer's key is not a compressed point of P-256.");
}

/**
 * Derives a key from a shared secret by HKDF-SHA-256 (RFC 5869).
 *
 * @param options.salt empty by default
 * @param options.info what the key is for, as text; empty by default
 * @returns 32 bytes
 *
 * @example
 * const key = deriveSessionKey(computeSharedSecret(own.privateKey, peer.publicKey));
 */
export function deriveSessionKey(
  secret: Uint8Array,
  { salt = new Uint8Array(), info = "" }: { salt?: Uint8Array; info?: string } = {},
): Uint8Array {
  return crypto.hkdfSha256(secret, salt, utf8(info), 32);
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array | undefined {
  try {
    return privateKey.length === 32 ? crypto.publicKeyOf(privateKey) : undefined;
  } catch {
    return undefined;
  }
}
