import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { AmeshError, type PublicKey } from "@authmesh/core";
import { TpmKeyStore } from "../src/index.js";
import { tpmAddress } from "../src/tpm/address.js";
import { readPublic } from "../src/tpm/attestation/commands.js";
import {
  type EndorsementKeyKind,
  endorsementKeyKinds,
  readEndorsementKey,
} from "../src/tpm/attestation/endorsement-key.js";
import { readClaim, writeMessage } from "../src/tpm/attestation/messages.js";
import { createPrimary } from "../src/tpm/commands.js";
import { useTpm } from "../src/tpm/tpm.js";
import { temporaryFolder } from "./fixture.js";
import type { SoftwareTpm } from "./swtpm.js";

const issue = fileURLToPath(new URL("processes/certify.py", import.meta.url));

export interface Wish {
  readonly name: string;
  /** Name of a certificate that stands before it, or its own. */
  readonly issuer: string;
  /** Default: the name. */
  readonly subject?: string;
  /** PEM. Default: a new key, which can sign others. */
  readonly publicKey?: string;
  /** Certifies the key of another certificate once more. */
  readonly keyOf?: string;
  /** Without it there are no basic constraints. */
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Unix seconds. Default: for the year around `time`. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly usage?: readonly string[] | undefined;
  /** As python3-cryptography calls them: "key_agreement". Default: the extension is not there. */
  readonly keyUse?: readonly string[];
  readonly nameConstraints?: "critical" | "not critical";
  /** Attributes of the alternative name, by object identifier. */
  readonly device?: Readonly<Record<string, string>>;
  readonly oneRdn?: true;
  /** Object identifier of an extension that nobody knows. */
  readonly critical?: string;
  /** Signed with SHA-1. */
  readonly weak?: true;
}

/** Unix seconds at which certificates are valid, unless they are made otherwise. */
export const time = 1_760_000_000;
export const now = () => 1000 * time;
const halfAYear = 180 * 86_400;

export const authority = (name: string, issuer: string, more: Partial<Wish> = {}): Wish => ({
  name,
  issuer,
  ca: true,
  ...more,
});

export const endorsement = (
  name: string,
  issuer: string,
  publicKey: string,
  more: Partial<Wish> = {},
): Wish => ({
  name,
  issuer,
  publicKey,
  ca: false,
  subject: "",
  usage: ["2.23.133.8.1"],
  device: { "2.23.133.2.1": "id:494E5443", "2.23.133.2.2": "Model 7" },
  ...more,
});

/** Gives PEM texts by name, all issued by one process of another implementation. */
export type Certificates = (name: string) => string;

export function certify(wishes: readonly Wish[]): Certificates {
  const validity = { notBefore: time - halfAYear, notAfter: time + halfAYear };
  const input = JSON.stringify(wishes.map((wish) => ({ ...validity, ...wish })));
  const issued = JSON.parse(execFileSync("/usr/bin/python3", [issue], { input, encoding: "utf8" }));
  return (name) => {
    if (Object.hasOwn(issued, name)) return issued[name];
    throw new TypeError(`No certificate ${name} was issued.`);
  };
}

export const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----.*-----|\s/g, ""), "base64");

/** A claim with other certificates than its TPM has. */
export const withCertificates = (claim: string, ...certificates: readonly string[]): string =>
  writeMessage({ ...readClaim(claim), certificates: certificates.map(derOf) });

export const pemOfArea = (area: Uint8Array): string =>
  readEndorsementKey(area).publicKey.export({ type: "spki", format: "pem" }).toString();

/** PEM of the endorsement key that a TPM makes from a template. */
export const endorsementKeyOf = (tpm: SoftwareTpm, kind: EndorsementKeyKind): Promise<string> =>
  useTpm(tpmAddress(tpm.env), 10_000, async (open) =>
    open.holding(createPrimary("endorsement", endorsementKeyKinds[kind].template), async (handle) =>
      pemOfArea(await open.execute(readPublic(handle))),
    ),
  );

/** A device with a key in this TPM. */
export async function newDeviceIn(
  tpm: SoftwareTpm,
): Promise<{ store: TpmKeyStore; key: PublicKey; dir: string }> {
  const dir = temporaryFolder();
  const store = new TpmKeyStore({ dir, env: tpm.env });
  return { store, key: await store.generate("device"), dir };
}

/** The words of the refusal that `run` ends with; anything else fails the test. */
export async function refusalOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof AmeshError && error.code === "attestation_refused") return error.message;
    throw error;
  }
  return "no refusal";
}
