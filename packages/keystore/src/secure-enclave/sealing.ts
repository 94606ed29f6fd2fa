import { deriveSessionKey, type PublicKey } from "@authmesh/core";

/** What comes of the secret that the Enclave shares with a peer (docs/protocol.md, section 11); 32 bytes each. */
export interface Sealing {
  readonly secret: Uint8Array;
  /** Shows, beside the key, whether a secret is the right one, and tells nothing of it. */
  readonly check: Uint8Array;
}

/** @param publicKey the device's: another device has another secret, whatever else they have in common */
export function deriveSealing(shared: Uint8Array, publicKey: PublicKey): Sealing {
  const derive = (purpose: string) =>
    deriveSessionKey(shared, { salt: publicKey.bytes, info: `amesh/secure-enclave/1 ${purpose}` });
  return { secret: derive("sealing secret"), check: derive("check") };
}
