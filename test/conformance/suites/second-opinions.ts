import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { PublicKey } from "@authmesh/core";
import { p256 } from "@noble/curves/nist.js";

type Verifies = (key: PublicKey, message: Uint8Array, signature: Uint8Array) => boolean;

/** Verifiers that are not ours: OpenSSL, and @noble/curves, which insists on low-S. */
export const secondOpinions: readonly Verifies[] = [
  (key, message, signature) =>
    verify("sha256", message, { key: opensslKey(key), dsaEncoding: "ieee-p1363" }, signature),
  ({ bytes }, message, signature) => p256.verify(signature, message, bytes, { lowS: true }),
];

function opensslKey({ bytes }: PublicKey): KeyObject {
  const { x, y } = p256.Point.fromBytes(bytes).toAffine();
  const member = (number: bigint) =>
    Buffer.from(number.toString(16).padStart(64, "0"), "hex").toString("base64url");
  return createPublicKey({
    key: { kty: "EC", crv: "P-256", x: member(x), y: member(y) },
    format: "jwk",
  });
}
