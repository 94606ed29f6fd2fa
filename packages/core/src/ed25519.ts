import { crypto } from "#crypto";
import type { SigningKey, VerifyingKey } from "./crypto/provider.js";
import { toHex } from "./encoding.js";
import { AmeshError } from "./errors.js";

/**
 * An Ed25519 public key: 32 bytes, imported once for many verifications (RFC 8032).
 *
 * Its point is checked here and not by the cryptographic library, since libraries differ in what they let pass:
 * written in the one canonical way, on the curve, and not one of the eight of low order, under which a signature can
 * fit every message.
 */
export class Ed25519PublicKey {
  readonly bytes: Uint8Array;
  readonly #key: VerifyingKey;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#key = crypto.importEd25519PublicKey(bytes);
  }

  /** @throws AmeshError `invalid_public_key` */
  static fromBytes(bytes: Uint8Array): Ed25519PublicKey {
    const problem = pointProblem(bytes);
    if (problem !== undefined) throw new AmeshError("invalid_public_key", `The Ed25519 key ${problem}.`);
    return new Ed25519PublicKey(Uint8Array.from(bytes));
  }

  /** Whether `signature` (64 bytes) is this key's over `message`. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return this.#key.verify(message, signature);
  }
}

/** An Ed25519 private key held in memory, imported once for many signatures. */
export class Ed25519PrivateKey {
  readonly publicKey: Ed25519PublicKey;
  readonly #key: SigningKey;

  private constructor(seed: Uint8Array) {
    const key = crypto.importEd25519PrivateKey(seed);
    this.#key = key;
    this.publicKey = Ed25519PublicKey.fromBytes(key.publicKey);
  }

  /** @throws TypeError unless these are 32 bytes. They are copied: wipe yours. */
  static fromSeed(seed: Uint8Array): Ed25519PrivateKey {
    if (seed.length !== 32) throw new TypeError("An Ed25519 private key has 32 bytes.");
    return new Ed25519PrivateKey(seed);
  }

  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return this.#key.sign(message);
  }
}

// RFC 8032, 5.1: −x² + y² = 1 + d·x²·y² over the integers modulo p.
const p = 2n ** 255n - 19n;
const d = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** The y of two points of order 8; the other two have its negative. */
const orderEight = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
/** The y of points of the orders 1, 2, 4 and 8. */
const lowOrder: ReadonlySet<bigint> = new Set([0n, 1n, p - 1n, orderEight, p - orderEight]);

function pointProblem(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 32) return "has not 32 bytes";
  const y = BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`) & (2n ** 255n - 1n);
  if (y >= p) return "is not written in the canonical way";
  if (lowOrder.has(y)) return "is a point of low order";
  // x² = u/v; it is a square exactly when u·v is, and never 0 here (Euler's criterion).
  const square = (y * y) % p;
  const [u, v] = [square - 1n, d * square + 1n];
  return power((u * v) % p, (p - 1n) / 2n) === 1n ? undefined : "is not a point of the curve";
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % p)
    if (rest & 1n) result = (result * square) % p;
  return result;
}
