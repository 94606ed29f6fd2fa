import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import type { AmeshError } from "@authmesh/core";
import { readPemFile } from "./pem-file.js";

/** PEM files. */
export interface CertificateFiles {
  /** The chain. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates. */
  readonly clientCa?: string | undefined;
}

/** As `tls.createServer` and `setSecureContext` take it. */
export interface CertificatePair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

/** @throws Error for files that cannot be read, and for a key that is not that of the first certificate */
export function readCertificate({ cert, key, clientCa }: CertificateFiles): CertificatePair {
  const pair = { cert: readPemFile(cert), key: readPemFile(key) };
  // A key of another type is taken by OpenSSL without a word, and then every handshake fails.
  if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key)))
    throw Object.assign(new Error("the key is not that of the certificate"), { code: "KEY_MISMATCH" });
  return clientCa === undefined ? pair : { ...pair, ca: readPemFile(clientCa) };
}

export interface RenewalOptions {
  /** What is told of a certificate that cannot be used, with the reason that the system gives. */
  readonly failed: (reason: string, cause: unknown) => AmeshError;
  readonly tell: (error: AmeshError) => void;
  /** Called when a renewed certificate is in use after one that could not be used. */
  readonly recovered?: () => void;
  /** Milliseconds between two looks. */
  readonly everyMs: number;
}

/**
 * Goes over to a renewed certificate once its files change. One that cannot be used is told of, and the present one stays.
 * Returns the way to stop.
 */
export function renewCertificate(
  server: { setSecureContext(pair: CertificatePair): void },
  files: CertificateFiles,
  { failed, tell, recovered = () => {}, everyMs }: RenewalOptions,
): () => void {
  let stamp = stampOf(files);
  let failing = false;
  const timer = setInterval(() => {
    try {
      const present = stampOf(files);
      if (present === stamp) return;
      server.setSecureContext(readCertificate(files));
      stamp = present;
      if (failing) recovered();
      failing = false;
    } catch (cause) {
      failing = true;
      tell(failed(reasonOf(cause), cause));
    }
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** @throws what `failed` makes of a certificate that cannot be used */
export function usingCertificate<Result>(failed: RenewalOptions["failed"], work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw failed(reasonOf(cause), cause);
  }
}

const reasonOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "unknown";

const stampOf = ({ cert, key, clientCa }: CertificateFiles): string =>
  [cert, key, ...(clientCa === undefined ? [] : [clientCa])]
    .map((path) => statSync(path, { bigint: true }).mtimeNs)
    .join(" ");
