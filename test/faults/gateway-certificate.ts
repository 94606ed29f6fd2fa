import { renameSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type CertificateFiles, makeCertificate } from "../fixtures/certificates.js";
import { audience } from "./launches.js";
import { secureConnection } from "./secure-connection.js";

/** In which a new certificate is presented: the gateway looks every 5 s, and may see the key before its certificate once. */
const patienceMs = 12_000;

/** The certificate that the gateway presents, and who vouches for it. */
export class GatewayCertificate {
  readonly files: CertificateFiles;
  /** Whom callers trust, in PEM. */
  readonly ca: string;
  readonly #folder: string;
  readonly #issuer: CertificateFiles;
  #made = 0;

  private constructor(folder: string, issuer: CertificateFiles, ca: string) {
    this.files = filesOf(folder, "gateway");
    this.#folder = folder;
    this.#issuer = issuer;
    this.ca = ca;
  }

  static async make(folder: string): Promise<GatewayCertificate> {
    const issuer = filesOf(folder, "ca");
    await makeCertificate(issuer, { subject: "fleet" });
    const certificate = new GatewayCertificate(folder, issuer, await readFile(issuer.cert, "utf8"));
    await certificate.renew();
    return certificate;
  }

  /** Puts a new one and its key in place, one file after the other. @returns its subject */
  async renew(): Promise<string> {
    const subject = `gateway ${++this.#made}`;
    const fresh = filesOf(this.#folder, "fresh");
    await makeCertificate(fresh, { subject, names: [`DNS:${audience}`], issuer: this.#issuer });
    renameSync(fresh.key, this.files.key);
    renameSync(fresh.cert, this.files.cert);
    return subject;
  }

  /** Resolves when a connection is answered by the one of this subject. */
  async presented(url: string, subject: string): Promise<void> {
    const limit = performance.now() + patienceMs;
    while ((await this.#subjectAt(url)) !== subject) {
      if (performance.now() > limit)
        throw new Error(`The gateway does not present the certificate ${subject}.`);
      await pause(50);
    }
  }

  async #subjectAt(url: string): Promise<string> {
    const socket = await secureConnection(url, this.ca);
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  }
}

const filesOf = (folder: string, name: string): CertificateFiles => ({
  cert: join(folder, `${name}.pem`),
  key: join(folder, `${name}-key.pem`),
});
