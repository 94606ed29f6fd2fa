import { quoteForeign } from "@authmesh/core";
import type { Certificate } from "./certificate.js";
import { SignatureChecks } from "./signature-checks.js";

export interface Authorities {
  /** Trusted because the verifier's configuration says so. */
  readonly roots: readonly Certificate[];
  /** Trusted as far as a root answers for them. */
  readonly intermediates: readonly Certificate[];
}

export const endorsementKeyUsage = "2.23.133.8.1"; // tcg-kp-EKCertificate
const anyUsage = "2.5.29.37.0"; // anyExtendedKeyUsage

const maxIntermediates = 4;

/**
 * Why no root answers for a certificate (RFC 5280, section 6, as far as the endorsement keys of TPMs need it);
 * undefined when one does. Nothing is looked up: whether a certificate was revoked is not known here.
 *
 * @param at milliseconds since the epoch
 */
export function chainProblem(
  certificate: Certificate,
  { roots, intermediates }: Authorities,
  at: number,
): string | undefined {
  const signatures = new SignatureChecks();

  /** @param path the certificates so far, the one that is looked at last */
  function search(path: readonly Certificate[], last: Certificate): string | undefined {
    const below = path.length - 1;
    if (below > maxIntermediates) return "there are too many certificates between it and a root";
    const others = intermediates.filter(({ holder }) => path.every((each) => each.holder !== holder));
    let first: string | undefined;
    for (const issuer of [...roots, ...others]) {
      if (!last.x509.checkIssued(issuer.x509)) continue;
      let problem = issuerProblem(issuer, below) ?? problemOf(issuer, at);
      if (problem === undefined) {
        const isSigned = signatures.check(last, issuer);
        if (isSigned === undefined) return "it would take too many signatures to check";
        if (!isSigned) continue;
        problem = roots.includes(issuer) ? undefined : search([...path, issuer], issuer);
        if (problem === undefined) return undefined;
      }
      first ??= problem;
    }
    return first ?? `no known root answers for ${quoteForeign(last.issuer)}`;
  }

  return problemOf(certificate, at) ?? search([certificate], certificate);
}

function problemOf(certificate: Certificate, at: number): string | undefined {
  const { notBefore, notAfter, hasStrongSignature, unknownCritical, hasNameConstraints } = certificate;
  const name = quoteForeign(certificate.subject);
  if (!(notBefore <= at && at <= notAfter)) return `${name} is not valid now`;
  if (!hasStrongSignature) return `${name} is signed in a way that is not accepted`;
  if (unknownCritical.length > 0) return `${name} has a critical extension that is not known here`;
  if (hasNameConstraints) return `${name} has name constraints, which are not known here`;
  return undefined;
}

function issuerProblem(
  { x509, subject, pathLength, purposes }: Certificate,
  below: number,
): string | undefined {
  const name = quoteForeign(subject);
  if (!x509.ca) return `${name} is no authority`;
  if (pathLength !== undefined && pathLength < below) return `${name} may not answer for so many others`;
  // RFC 5280, section 4.2.1.12: one that names purposes is to be used for no other.
  if (purposes?.some((each) => each === endorsementKeyUsage || each === anyUsage) === false)
    return `${name} is for other purposes than endorsement keys`;
  return undefined;
}
