import { type PublicKey, type Signable, toLowS } from "@authmesh/core";

/**
 * What a device or a service gave as the signature of a message. One that does not fit is handed to nobody: the
 * key's file names another key, or what signs erred or lies.
 *
 * @param signature raw r‖s, 64 bytes
 * @param misfit what is thrown then
 * @returns the same signature, low-S
 */
export function verifiedSignature(
  publicKey: PublicKey,
  message: Signable,
  signature: Uint8Array,
  misfit: () => Error,
): Uint8Array {
  const low = toLowS(signature);
  if (publicKey.verify(message, low)) return low;
  throw misfit();
}
