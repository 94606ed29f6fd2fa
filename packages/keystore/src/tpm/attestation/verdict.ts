import type { Certificate } from "./certificate.js";
import type { CheckedClaim } from "./claim-checks.js";
import type { Statement } from "./statement.js";

/** What is known of a key once its device has answered. */
export type AttestationVerdict = ProvenAttestation | ClaimedAttestation;

/** The key was made in this TPM, is in it now, and cannot leave it. */
export interface ProvenAttestation {
  readonly proven: true;
  readonly deviceId: string;
  /** As the certificate names it: "INTC", or "id:00001014" where that is no text. */
  readonly manufacturer?: string;
  readonly model?: string;
  /** As the TPM itself says: "8217.4131.22.13878". */
  readonly firmware: string;
  /** It names this one TPM, and so the machine. */
  readonly ekCertificate: {
    /** Often empty. */
    readonly subject: string;
    readonly issuer: string;
    /** Hexadecimal, upper case. */
    readonly serial: string;
    /** Unix seconds. */
    readonly notAfter: number;
  };
}

/** Somebody says so, who could as well be a program that plays a TPM. */
export interface ClaimedAttestation {
  readonly proven: false;
  readonly deviceId: string;
  readonly reason: string;
}

export function verdictOf({ key, certificate }: CheckedClaim, statement: Statement): AttestationVerdict {
  const { deviceId } = key;
  if (certificate === undefined) {
    const reason = "claimed, not proven: the TPM has no certificate for its endorsement key";
    return { proven: false, deviceId, reason };
  }
  return {
    proven: true,
    deviceId,
    ...manufacturerAndModel(certificate.device),
    firmware: statement.firmware,
    ekCertificate: {
      subject: certificate.subject,
      issuer: certificate.issuer,
      serial: certificate.x509.serialNumber,
      notAfter: Math.floor(certificate.notAfter / 1000),
    },
  };
}

// 2.23.133.2.1 and 2.23.133.2.2.
const attribute = { manufacturer: "6781050201", model: "6781050202" } as const;

function manufacturerAndModel(device: Certificate["device"]) {
  const manufacturer = device.get(attribute.manufacturer);
  const model = device.get(attribute.model);
  return {
    ...(manufacturer !== undefined && { manufacturer: vendorText(manufacturer) }),
    ...(model !== undefined && { model }),
  };
}

/** The TCG's vendor ids are four letters, written as "id:" and their hexadecimal form. */
function vendorText(id: string): string {
  const hex = /^id:([0-9A-Fa-f]{8})$/.exec(id)?.[1];
  const letters = Buffer.from(hex ?? "", "hex")
    .toString("latin1")
    .replace(/[\0 ]+$/, "");
  return /^[\x21-\x7e]+$/.test(letters) ? letters : id;
}
