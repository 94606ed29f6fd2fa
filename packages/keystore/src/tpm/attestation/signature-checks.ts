import type { Certificate } from "./certificate.js";

const most = 16;

/** Whether certificates are signed by others, found out once for each pair and for 16 of them: whoever sends many pays, not we. */
export class SignatureChecks {
  readonly #known = new Map<string, boolean>();

  /** @returns undefined when too many were checked already */
  check({ x509 }: Certificate, issuer: Certificate): boolean | undefined {
    const pair = `${x509.fingerprint256} ${issuer.holder}`;
    const known = this.#known.get(pair);
    if (known !== undefined || this.#known.size === most) return known;
    const isSigned = x509.verify(issuer.x509.publicKey);
    this.#known.set(pair, isSigned);
    return isSigned;
  }
}
