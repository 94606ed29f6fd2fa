import { X509Certificate } from "node:crypto";
import { concatBytes } from "@authmesh/core";
import { createPrimary, handlesOf } from "../commands.js";
import { Malformed } from "../marshal.js";
import type { Tpm } from "../tpm.js";
import { TpmTrouble } from "../trouble.js";
import { maxCertificateLength } from "./certificate.js";
import { nvRead, nvSize, readPublic } from "./commands.js";
import { firstElement, tags } from "./der.js";
import { endorsementKeyKinds, kindNames, readEndorsementKey } from "./endorsement-key.js";
import { maxCertificates } from "./messages.js";

export interface ChosenEndorsementKey {
  /** TPMT_PUBLIC. */
  readonly area: Uint8Array;
  /** DER: that of the key first, then others that lead to a root. None where the manufacturer gave none. */
  readonly certificates: Uint8Array[];
}

/**
 * The endorsement key that has a certificate, else the one that is made the quickest.
 *
 * @throws TpmTrouble `attestation_unavailable` when the certificates are for other keys than the TPM makes
 */
export async function chooseEndorsementKey(tpm: Tpm): Promise<ChosenEndorsementKey> {
  const places = await tpm.execute(handlesOf("certificate"));
  const certified = kindNames
    .map((name) => endorsementKeyKinds[name])
    .filter(({ certificateIndex }) => places.includes(certificateIndex));
  let found = false;
  for (const { certificateIndex, template } of certified) {
    const [certificate] = certificatesIn(await readNv(tpm, certificateIndex, maxCertificateLength));
    if (certificate === undefined) continue;
    found = true;
    const area = await publicArea(tpm, template);
    if (isFor(certificate, area))
      return { area, certificates: [certificate, ...(await readChain(tpm, places))] };
  }
  if (found) throw unavailable("its endorsement certificate is not for the key that it makes");
  return { area: await publicArea(tpm, endorsementKeyKinds["L-2"].template), certificates: [] };
}

const publicArea = (tpm: Tpm, template: Uint8Array) =>
  tpm.holding(createPrimary("endorsement", template), (handle) => tpm.execute(readPublic(handle)));

function isFor(certificate: Uint8Array, area: Uint8Array): boolean {
  try {
    return new X509Certificate(certificate).publicKey.equals(readEndorsementKey(area).publicKey);
  } catch {
    return false;
  }
}

/** Certificates of authorities, one after another, across all of these places. */
const chainPlaces = { first: 0x01c00100, last: 0x01c001ff } as const;

async function readChain(tpm: Tpm, places: readonly number[]): Promise<Uint8Array[]> {
  let chain: Uint8Array = new Uint8Array();
  for (const place of places.filter((each) => each >= chainPlaces.first && each <= chainPlaces.last))
    chain = concatBytes(
      chain,
      await readNv(tpm, place, maxCertificates * maxCertificateLength - chain.length),
    );
  return certificatesIn(chain).slice(0, maxCertificates - 1);
}

/** A place may be larger than what it holds: whatever begins as no certificate is filling. */
function certificatesIn(bytes: Uint8Array): Uint8Array[] {
  if (bytes[0] !== tags.sequence) return [];
  try {
    const first = firstElement(bytes);
    return [first, ...certificatesIn(bytes.subarray(first.length))];
  } catch (error) {
    if (error instanceof Malformed) throw unavailable("its endorsement certificate is damaged");
    throw error;
  }
}

/** Every TPM reads as many bytes at once. */
const chunkLength = 512;

async function readNv(tpm: Tpm, index: number, maxLength: number): Promise<Uint8Array> {
  const size = await tpm.execute(nvSize(index));
  if (size > maxLength) throw unavailable("its endorsement certificate is too long");
  let bytes: Uint8Array = new Uint8Array();
  while (bytes.length < size) {
    const length = Math.min(chunkLength, size - bytes.length);
    bytes = concatBytes(bytes, await tpm.execute(nvRead(index, bytes.length, length)));
  }
  return bytes;
}

const unavailable = (reason: string) => new TpmTrouble("attestation_unavailable", reason);
