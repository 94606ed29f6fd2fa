import type { PublicKey } from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { createAttestationVerifier } from "@authmesh/keystore/attestation";

/** On the device: `send` brings a message to the verifier, and its answer back. */
export async function proveKey(
  { keyStore, identity }: OpenIdentity,
  send: (message: string) => Promise<string>,
): Promise<void> {
  const attestation = keyStore.attestation?.(identity.keyAlias);
  if (attestation === undefined) throw new Error("This key store proves nothing to others.");
  const challenge = await send(await attestation.claim());
  await send(await attestation.answer(challenge));
}

/** On the verifier: `roots` are the certificates of TPM manufacturers in PEM, `publicKey` who has signed the requests. */
export function checkKeys(roots: readonly string[]) {
  const verifier = createAttestationVerifier({ roots });
  return {
    claim: (message: string, publicKey: PublicKey) => verifier.challenge(message, publicKey),
    answer(message: string) {
      const verdict = verifier.check(message);
      if (!verdict.proven) return `${verdict.deviceId}: ${verdict.reason}`;
      return `${verdict.deviceId} is in a TPM by ${verdict.manufacturer}, firmware ${verdict.firmware}`;
    },
  };
}
