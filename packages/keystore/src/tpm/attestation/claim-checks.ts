import type { PublicKey } from "@authmesh/core";
import { nameOf, readAttestationKey, readSigningKey } from "../public-area.js";
import { type Certificate, keyUses, readCertificate } from "./certificate.js";
import { type Authorities, chainProblem, endorsementKeyUsage } from "./certificate-chain.js";
import { type Check, readStep, runChecks } from "./checks.js";
import { type EndorsementKey, readEndorsementKey } from "./endorsement-key.js";
import type { Claim } from "./messages.js";

/** The keys that a claim is about, each of the form that it must have. */
export interface ClaimedKeys {
  readonly key: PublicKey;
  readonly keyName: Uint8Array;
  readonly attestationKey: PublicKey;
  readonly attestationKeyName: Uint8Array;
  readonly endorsementKey: EndorsementKey;
}

/** What a claim says, where nothing speaks against it. */
export interface CheckedClaim extends ClaimedKeys {
  /** Without one nobody answers for the endorsement key. */
  readonly certificate: Certificate | undefined;
}

interface Certified {
  readonly certificate: Certificate;
  readonly endorsementKey: EndorsementKey;
  readonly authorities: Authorities;
  readonly at: number;
}

const endorsementKeyUse = keyUses.keyEncipherment | keyUses.keyAgreement;

const certificateChecks: readonly Check<Certified>[] = [
  [
    "certificate",
    ({ certificate, endorsementKey }) =>
      certificate.x509.publicKey.equals(endorsementKey.publicKey)
        ? undefined
        : "the certificate is for another key than the claimed endorsement key",
  ],
  [
    "purpose",
    // Some manufacturers name no purpose; one that is named must be this.
    ({ certificate: { purposes, isAuthority } }) =>
      isAuthority || purposes?.includes(endorsementKeyUsage) === false
        ? "the certificate is not one for an endorsement key"
        : undefined,
  ],
  [
    "purpose",
    ({ certificate: { keyUse = endorsementKeyUse } }) =>
      (keyUse & endorsementKeyUse) === 0
        ? "the certificate is not for a key that takes part in encryption"
        : undefined,
  ],
  ["chain", ({ certificate, authorities, at }) => chainProblem(certificate, authorities, at)],
];

/** All of a claim but its certificates. @throws AmeshError `attestation_refused` */
export function checkKeys(claim: Claim, expected: PublicKey): ClaimedKeys {
  const key = readStep("key", () => readSigningKey(claim.key));
  const attestationKey = readStep("attestation key", () => readAttestationKey(claim.attestationKey));
  const endorsementKey = readStep("endorsement key", () => readEndorsementKey(claim.endorsementKey));
  runChecks<PublicKey>(
    [["key", ({ base64 }) => (base64 === expected.base64 ? undefined : "the claim is for another key")]],
    key,
  );
  return {
    key,
    keyName: nameOf(claim.key),
    attestationKey,
    attestationKeyName: nameOf(claim.attestationKey),
    endorsementKey,
  };
}

/** @throws AmeshError `attestation_refused` */
export function checkClaim(
  claim: Claim,
  expected: PublicKey,
  authorities: Authorities,
  at: number,
): CheckedClaim {
  const keys = checkKeys(claim, expected);
  const [certificate, ...more] = readStep("certificate", () => claim.certificates.map(readCertificate));
  if (certificate !== undefined) {
    const { roots, intermediates } = authorities;
    const known = { roots, intermediates: [...intermediates, ...more] };
    runChecks(certificateChecks, {
      certificate,
      endorsementKey: keys.endorsementKey,
      authorities: known,
      at,
    });
  }
  return { ...keys, certificate };
}
