// A key store whose key is in AWS KMS.
import { createSignerKeyStore } from "@authmesh/keystore";
import { AmeshError } from "@authmesh/sdk";
import { GetPublicKeyCommand, KMSClient, SignCommand } from "#kms";

/**
 * `options` are those of createSignerKeyStore. The client sends throttled calls again by itself, after pauses that
 * grow; amesh gives up after 10 seconds.
 */
export async function kmsKeyStore({ KeyId, kms = new KMSClient({ maxAttempts: 5 }), ...options }) {
  const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId })).catch((cause) => {
    const fix = "See that this machine reaches AWS KMS, may use the key, and that KMS_KEY_ID names it.";
    const detail = `AWS KMS did not give the public key: ${cause.name}: ${cause.message}`;
    throw new AmeshError("key_store_unavailable", detail, { fix, cause });
  });
  return createSignerKeyStore({
    ...options,
    label: "AWS KMS",
    publicKey: PublicKey,
    async sign(digest, { signal }) {
      const command = new SignCommand({
        KeyId,
        Message: digest,
        MessageType: "DIGEST",
        SigningAlgorithm: "ECDSA_SHA_256",
      });
      try {
        return (await kms.send(command, { abortSignal: signal })).Signature;
      } catch (cause) {
        if (cause.name !== "ThrottlingException") throw cause;
        const fix = "Try again later, or ask AWS for a higher quota of cryptographic operations.";
        throw new AmeshError("key_store_busy", "AWS KMS limits the calls of this account.", { fix, cause });
      }
    },
  });
}
