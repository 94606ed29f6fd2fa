import { crypto } from "#crypto";
import type { SigningKey } from "./crypto/provider.js";
import { AmeshError } from "./errors.js";
import { PublicKey } from "./public-key.js";

/**
 * Signs with ECDSA-P256-SHA256 (docs/protocol.md, section 1).
 *
 * @param privateKey 32 bytes
 * @returns raw r‖s, 64 bytes, low-S
 * @throws TypeError when `privateKey` is not a private key of P-256
 */
export function signMessage(privateKey: Uint8Array, message: Uint8Array): Uint8Array {
  return toLowS(importPrivateKey(privateKey).sign(message));
}

function importPrivateKey(privateKey: Uint8Array): SigningKey {
  if (privateKey.length !== 32) throw new TypeError("A P-256 private key has 32 bytes.");
  try {
    return crypto.importPrivateKey(privateKey);
  } catch (cause) {
    throw new TypeError("These 32 bytes are not a P-256 private key.", { cause });
  }
}

/**
 * Verifies ECDSA-P256-SHA256; low and high S are accepted.
 *
 * @param signature raw r‖s, 64 bytes
 * @param publicKey compressed point, 33 bytes
 * @returns false, never a throw, for anything malformed
 */
export function verifyMessage(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return PublicKey.fromBytes(publicKey).verify(message, signature);
  } catch {
    return false;
  }
}

// The order of P-256 and half of it (FIPS 186-5; SEC 2, 2.4.2).
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const halfOrder = order >> 1n;

/**
 * The same signature with s in the lower half, as many verifiers insist; TPMs and OpenSSL return either.
 *
 * @param signature raw r‖s
 * @throws AmeshError `signature_invalid` unless it has 64 bytes
 */
export function toLowS(signature: Uint8Array): Uint8Array {
  if (signature.length !== 64) throw new AmeshError("signature_invalid", "A raw signature has 64 bytes.");
  // s > n/2 has a first byte of at least 0x7f: decided without arithmetic for nearly every low one.
  if ((signature[32] as number) < 0x7f) return signature;
  const s = readBigInt(signature.subarray(32));
  if (s <= halfOrder) return signature;
  const low = Uint8Array.from(signature);
  writeBigInt(order - s, low.subarray(32));
  return low;
}

/**
 * Reads an ECDSA signature in DER (what most hardware returns), strictly: minimal lengths and integers, nothing
 * after the end.
 *
 * @returns raw r‖s, 64 bytes, low-S
 * @throws AmeshError `signature_invalid`
 */
export function signatureFromDer(der: Uint8Array): Uint8Array {
  const raw = new Uint8Array(64);
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw notDer();
  let offset = 2;
  for (const end of [32, 64]) {
    const length = der[offset + 1] ?? 0;
    const integer = der.subarray(offset + 2, offset + 2 + length);
    const first = integer[0] as number;
    const paddedNeedlessly = length > 1 && first === 0 && (integer[1] as number) < 0x80;
    if (
      der[offset] !== 0x02 ||
      length === 0 ||
      integer.length !== length ||
      first >= 0x80 ||
      paddedNeedlessly
    ) {
      throw notDer();
    }
    const magnitude = first === 0 ? integer.subarray(1) : integer;
    if (magnitude.length > 32) throw notDer();
    raw.set(magnitude, end - magnitude.length);
    offset += 2 + length;
  }
  if (offset !== der.length) throw notDer();
  return toLowS(raw);
}

const notDer = () =>
  new AmeshError("signature_invalid", "The signature is not a strict DER sequence of two integers.");

function readBigInt(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = 0; i < 32; i += 4) {
    const word = new DataView(bytes.buffer, bytes.byteOffset + i, 4).getUint32(0);
    value = (value << 32n) | BigInt(word);
  }
  return value;
}

function writeBigInt(value: bigint, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  for (let i = 0; i < 4; i++) view.setBigUint64(24 - 8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)));
}
