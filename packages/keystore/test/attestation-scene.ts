import { afterAll, beforeAll } from "vitest";
import { type AttestationVerifierOptions, createAttestationVerifier } from "../src/attestation.js";
import {
  authority,
  type Certificates,
  certify,
  endorsement,
  endorsementKeyOf,
  newDeviceIn,
  now,
  withCertificates,
} from "./attestation-fixture.js";
import { SoftwareTpm } from "./swtpm.js";

/** For the tests of one file: a TPM without a certificate, and certificates for its endorsement key. */
export function attestationScene() {
  let tpm: SoftwareTpm;
  let pem: Certificates;
  const stops: (() => void)[] = [];
  beforeAll(async () => {
    tpm = await SoftwareTpm.start((stop) => stops.push(stop));
    const key = await endorsementKeyOf(tpm, "L-2");
    pem = certify([
      authority("root", "root"),
      authority("maker", "root"),
      endorsement("endorsement", "maker", key),
      endorsement("of a server", "maker", key, { usage: ["1.3.6.1.5.5.7.3.1"] }),
      endorsement("of an authority", "maker", key, { ca: true }),
      endorsement("for agreement", "maker", key, { keyUse: ["key_agreement"] }),
      endorsement("for encipherment", "maker", key, { keyUse: ["key_encipherment", "digital_signature"] }),
      endorsement("for signatures", "maker", key, { keyUse: ["digital_signature", "key_cert_sign"] }),
      endorsement("of anything", "maker", key, { usage: ["2.5.29.37.0"] }),
      { ...endorsement("of no purpose", "maker", key), usage: undefined },
    ]);
  });
  afterAll(() => {
    for (const stop of stops) stop();
  });

  return {
    tpm: () => tpm,
    pem: (name: string) => pem(name),

    newVerifier: (more: Partial<AttestationVerifierOptions> = {}) =>
      createAttestationVerifier({ roots: [pem("root")], intermediates: [pem("maker")], now, ...more }),

    /** A device in that TPM without a certificate. */
    async newUncertifiedDevice() {
      const { store, key } = await newDeviceIn(tpm);
      const attestation = store.attestation("device");
      const claim = await attestation.claim();
      return { key, claim, answer: (challenge: string) => attestation.answer(challenge) };
    },

    /** A device in that TPM whose claim brings the certificate along. */
    async newDevice() {
      const { store, key, dir } = await newDeviceIn(tpm);
      const attestation = store.attestation("device");
      const claim = withCertificates(await attestation.claim(), pem("endorsement"));
      return { store, key, dir, claim, answer: (challenge: string) => attestation.answer(challenge) };
    },
  };
}

/** A message with members changed. */
export function edited(text: string, change: (message: Record<string, unknown>) => void): string {
  const message = JSON.parse(text);
  change(message);
  return JSON.stringify(message);
}
