import { createHash } from "node:crypto";
import { concatBytes, PublicKey } from "@authmesh/core";
import { Malformed, sized, Unmarshaller, u16, u32 } from "./marshal.js";

/**
 * The public areas (TPMT_PUBLIC; TPM 2.0 Library, part 2, section 12.2.4) of the kinds of objects that are used
 * here. Each is a fixed beginning and, at its end, what is unique to the object.
 */

const algorithm = { keyedHash: 0x0008, sha256: 0x000b, null: 0x0010, ecdsa: 0x0018, ecc: 0x0023 } as const;
const aes128Cfb = concatBytes(u16(0x0006), u16(128), u16(0x0043));
const p256 = u16(0x0003);

const attribute = {
  fixedTpm: 0x2,
  fixedParent: 0x10,
  sensitiveDataOrigin: 0x20,
  userWithAuth: 0x40,
  noDictionaryAttack: 0x400,
  restricted: 0x10000,
  decrypt: 0x20000,
  sign: 0x40000,
} as const;

/** Never leaves the TPM, opens without a password, and no wrong password elsewhere locks it. */
const always =
  attribute.fixedTpm | attribute.fixedParent | attribute.userWithAuth | attribute.noDictionaryAttack;

const beginning = (type: number, attributes: number, ...parameters: readonly Uint8Array[]) =>
  concatBytes(u16(type), u16(algorithm.sha256), u32(attributes), sized(), ...parameters);

/** The storage root key of the TCG's provisioning guidance: made anew, it is the same until the TPM is cleared. */
export const storageRootTemplate = concatBytes(
  beginning(
    algorithm.ecc,
    always | attribute.sensitiveDataOrigin | attribute.restricted | attribute.decrypt,
    aes128Cfb,
    u16(algorithm.null),
    p256,
    u16(algorithm.null),
  ),
  sized(new Uint8Array(32)),
  sized(new Uint8Array(32)),
);

const ecdsaKey = (attributes: number) =>
  beginning(
    algorithm.ecc,
    always | attribute.sensitiveDataOrigin | attribute.sign | attributes,
    u16(algorithm.null),
    u16(algorithm.ecdsa),
    u16(algorithm.sha256),
    p256,
    u16(algorithm.null),
  );
const signingKey = ecdsaKey(0);
const attestationKey = ecdsaKey(attribute.restricted);

const sealedData = beginning(algorithm.keyedHash, always, u16(algorithm.null));

export const signingKeyTemplate = concatBytes(signingKey, sized(), sized());
export const attestationKeyTemplate = concatBytes(attestationKey, sized(), sized());
export const sealedDataTemplate = concatBytes(sealedData, sized());

/**
 * The key in a public area.
 *
 * @throws Malformed unless it is that of a signing key made inside a TPM and bound to it
 */
export const readSigningKey = (area: Uint8Array): PublicKey =>
  readEcdsaKey(area, signingKey, "a signing key that is fixed in its TPM");

/**
 * The key in a public area.
 *
 * @throws Malformed unless it is that of a key made inside a TPM, bound to it, which signs only what the TPM itself
 * says
 */
export const readAttestationKey = (area: Uint8Array): PublicKey =>
  readEcdsaKey(area, attestationKey, "a restricted signing key that is fixed in its TPM");

function readEcdsaKey(area: Uint8Array, start: Uint8Array, what: string): PublicKey {
  const reader = new Unmarshaller(area);
  expect(reader, start, what);
  const x = coordinate(reader);
  const y = coordinate(reader);
  reader.end();
  try {
    return PublicKey.fromBytes(concatBytes(Uint8Array.of(2 + ((y[31] as number) & 1)), x));
  } catch {
    throw new Malformed("its point is not on the curve P-256");
  }
}

/** How a TPM calls an object: the name algorithm, and the hash of its public area. */
export const nameOf = (area: Uint8Array): Uint8Array =>
  concatBytes(u16(algorithm.sha256), createHash("sha256").update(area).digest());

/** @throws Malformed */
export function checkSealedData(area: Uint8Array): void {
  const reader = new Unmarshaller(area);
  expect(reader, sealedData, "sealed data that is fixed in its TPM");
  if (reader.sized(32).length !== 32) throw new Malformed("it is not whole");
  reader.end();
}

function expect(reader: Unmarshaller, start: Uint8Array, what: string): void {
  if (!equalBytes(reader.take(start.length), start)) throw new Malformed(`it is not that of ${what}`);
}

/** Of what everybody may know; secrets are compared in constant time. */
export const equalBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

const coordinate = (reader: Unmarshaller) => leftPad(reader.sized(32));

/** Some TPMs leave the leading zeros of a number out. */
export function leftPad(number: Uint8Array, length = 32): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(number, length - number.length);
  return padded;
}
