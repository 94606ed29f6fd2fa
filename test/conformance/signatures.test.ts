import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { type PublicKey, signableProbe } from "@authmesh/core";
import { EncryptedFileKeyStore, type KeyStore, TpmKeyStore } from "@authmesh/keystore";
import { p256 } from "@noble/curves/nist.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { cheap, temporaryFolder } from "../../packages/keystore/test/fixture.js";
import { SoftwareTpm } from "../../packages/keystore/test/swtpm.js";

/** Every key store there is. */
const stores: Readonly<Record<string, () => Promise<KeyStore>>> = {
  "encrypted-file": async () =>
    new EncryptedFileKeyStore({
      dir: temporaryFolder(),
      passphrase: async () => "correct horse",
      cost: cheap,
    }),
  tpm: async () =>
    new TpmKeyStore({ dir: temporaryFolder(), env: (await SoftwareTpm.start(onTestFinished)).env }),
};

/** Enough for a store that leaves s as it comes to be found out: half of all signatures are high. */
const signatures = 64;
const halfOrder = p256.Point.Fn.ORDER >> 1n;

describe.each(Object.entries(stores))("signatures of %s", (_, openStore) => {
  test("are low-S, and verify with OpenSSL and with @noble/curves, which insists on that", async () => {
    const store = await openStore();
    const key = await store.generate("device");
    const [message, other] = [signableProbe(), Uint8Array.of(...signableProbe(), 0)];
    for (let i = 0; i < signatures; i++) {
      const signature = await store.sign("device", message);
      expect(signature).toHaveLength(64);
      expect(BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`)).toBeLessThanOrEqual(
        halfOrder,
      );
      for (const verifies of [opensslVerifies, nobleVerifies]) {
        expect(verifies(key, message, signature)).toBe(true);
        expect(verifies(key, other, signature)).toBe(false);
      }
    }
  });
});

const nobleVerifies = ({ bytes }: PublicKey, message: Uint8Array, signature: Uint8Array): boolean =>
  p256.verify(signature, message, bytes, { lowS: true });

const opensslVerifies = (key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean =>
  verify("sha256", message, { key: opensslKey(key), dsaEncoding: "ieee-p1363" }, signature);

function opensslKey({ bytes }: PublicKey): KeyObject {
  const { x, y } = p256.Point.fromBytes(bytes).toAffine();
  const member = (number: bigint) =>
    Buffer.from(number.toString(16).padStart(64, "0"), "hex").toString("base64url");
  return createPublicKey({
    key: { kty: "EC", crv: "P-256", x: member(x), y: member(y) },
    format: "jwk",
  });
}
