import { quoteForeign } from "@authmesh/core";
import type { Certificate } from "./certificate.js";

export interface Authorities {
  /** Trusted because the verifier's configuration says so. */
  readonly roots: readonly Certificate[];
  /** Trusted as far as a root answers for them. */
  readonly intermediates: readonly Certificate[];
}

const maxIntermediates = 4;

/**
 * Why no root answers for a certificate (RFC 5280, section 6, as far as the endorsement keys of TPMs need it);
 * undefined when one does. Nothing is looked up: whether a certificate was revoked is not known here.
 *
 * @param at milliseconds since the epoch
 */
export function chainProblem(
  certificate: Certificate,
  authorities: Authorities,
  at: number,
  below = 0,
): string | undefined {
  const own = problemOf(certificate, at);
  if (own !== undefined) return own;
  if (below > maxIntermediates) return "there are too many certificates between it and a root";
  const { roots, intermediates } = authorities;
  const issuers = [...roots, ...intermediates].filter((each) => isIssuer(each, certificate));
  let first: string | undefined;
  for (const issuer of issuers) {
    const problem =
      issuerProblem(issuer, below) ??
      (roots.includes(issuer)
        ? problemOf(issuer, at)
        : chainProblem(issuer, { roots, intermediates: without(intermediates, issuer) }, at, below + 1));
    if (problem === undefined) return undefined;
    first ??= problem;
  }
  return first ?? `no known root answers for ${quoteForeign(certificate.issuer)}`;
}

const without = (certificates: readonly Certificate[], one: Certificate) =>
  certificates.filter((each) => each !== one);

const isIssuer = (issuer: Certificate, { x509 }: Certificate) =>
  x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey);

function problemOf(certificate: Certificate, at: number): string | undefined {
  const { notBefore, notAfter, hasStrongSignature, unknownCritical } = certificate;
  const name = quoteForeign(certificate.subject);
  if (!(notBefore <= at && at <= notAfter)) return `${name} is not valid now`;
  if (!hasStrongSignature) return `${name} is signed in a way that is not accepted`;
  if (unknownCritical.length > 0) return `${name} has a critical extension that is not known here`;
  return undefined;
}

function issuerProblem({ x509, subject, pathLength }: Certificate, below: number): string | undefined {
  if (!x509.ca) return `${quoteForeign(subject)} is no authority`;
  if (pathLength !== undefined && pathLength < below)
    return `${quoteForeign(subject)} may not answer for so many others`;
  return undefined;
}
