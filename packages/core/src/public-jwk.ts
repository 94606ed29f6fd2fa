import { crypto } from "#crypto";
import { toBase64Url } from "./encoding.js";
import type { PublicKey } from "./public-key.js";

/** A public key of P-256 as a JWK (RFC 7518, 6.2.1), by its required members alone: what a thumbprint is over. */
export type P256Jwk = {
  readonly kty: "EC";
  readonly crv: "P-256";
  readonly x: string;
  readonly y: string;
};

export function jwkOf({ bytes }: PublicKey): P256Jwk {
  const point = crypto.uncompressed(bytes);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  return { kty: "EC", crv: "P-256", x: toBase64Url(x), y: toBase64Url(y) };
}
