import { X509Certificate } from "node:crypto";
import { decodeUtf8, toHex } from "@authmesh/core";
import { Malformed } from "../marshal.js";
import { type Element, elementsOf, partsOf, tags } from "./der.js";

/** What is looked at in a certificate (RFC 5280): by OpenSSL, and by us where it gives no answer. */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch; NaN when nobody can tell. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly hasStrongSignature: boolean;
  /** Object identifiers, as hex of their DER, of critical extensions that nobody here understands. */
  readonly unknownCritical: readonly string[];
  /** How many certificates may stand between this one and the last; undefined is any number. */
  readonly pathLength: number | undefined;
  /** What a TPM's manufacturer says of it, by object identifier as hex of its DER. */
  readonly device: ReadonlyMap<string, string>;
}

export const maxCertificateLength = 4096;

// sha256, sha384, sha512 with RSA (PKCS #1 v1.5) and with ECDSA.
const strongSignatures = new Set([
  ...["2a864886f70d01010b", "2a864886f70d01010c", "2a864886f70d01010d"],
  ...["2a8648ce3d040302", "2a8648ce3d040303", "2a8648ce3d040304"],
]);

const extension = { keyUsage: "551d0f", alternativeName: "551d11", basicConstraints: "551d13" } as const;
const understood = new Set<string>([
  ...Object.values(extension),
  "551d20", // certificatePolicies: any will do
  "551d25", // extKeyUsage
]);

/** @throws Malformed unless the bytes are one certificate and nothing else */
export function readCertificate(der: Uint8Array): Certificate {
  const [whole, nothing] = elementsOf(der);
  if (nothing !== undefined) throw new Malformed("something follows its end");
  const [content, algorithm] = partsOf(whole, tags.sequence);
  const [signedWith] = partsOf(algorithm, tags.sequence);
  const extensions = readExtensions(partsOf(content, tags.sequence).at(-1));
  const x509 = parse(der);
  return {
    x509,
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    notBefore: Date.parse(x509.validFrom),
    notAfter: Date.parse(x509.validTo),
    hasStrongSignature: signedWith !== undefined && strongSignatures.has(toHex(signedWith.content)),
    unknownCritical: extensions
      .filter(({ id, critical }) => critical && !understood.has(id))
      .map(({ id }) => id),
    pathLength: pathLengthOf(partsOfValue(extensions, extension.basicConstraints)),
    device: deviceOf(partsOfValue(extensions, extension.alternativeName)),
  };
}

function parse(der: Uint8Array): X509Certificate {
  try {
    const certificate = new X509Certificate(der);
    certificate.publicKey; // of an algorithm that is not known, it throws
    return certificate;
  } catch {
    throw new Malformed("it is no certificate");
  }
}

/** A name may be empty, and Node.js then gives none. */
const oneLine = (name: string | undefined) => (name ?? "").split("\n").join(", ");

interface Extension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

function readExtensions(field: Element | undefined): Extension[] {
  if (field?.tag !== tags.extensions) return [];
  const [list] = partsOf(field, tags.extensions);
  const extensions = partsOf(list, tags.sequence).map((each) => {
    const [id, ...more] = partsOf(each, tags.sequence);
    const value = more.at(-1);
    if (id?.tag !== tags.oid || value?.tag !== tags.octetString || more.length > 2)
      throw new Malformed("an extension is not built as it should be");
    return { id: toHex(id.content), critical: more.length === 2, value: value.content };
  });
  if (new Set(extensions.map(({ id }) => id)).size < extensions.length)
    throw new Malformed("an extension is there twice");
  return extensions;
}

const partsOfValue = (extensions: readonly Extension[], id: string): Element[] =>
  elementsOf(extensions.find((each) => each.id === id)?.value ?? new Uint8Array());

function pathLengthOf([constraints]: readonly Element[]): number | undefined {
  if (constraints === undefined) return undefined;
  const number = partsOf(constraints, tags.sequence).find(({ tag }) => tag === tags.integer);
  return number?.content.reduce((value, byte) => 256 * value + byte, 0);
}

/** The attributes of a directory name among the alternative names (TCG EK Credential Profile). */
function deviceOf([names]: readonly Element[]): ReadonlyMap<string, string> {
  const parts = names === undefined ? [] : partsOf(names, tags.sequence);
  const attributes = parts
    .filter(({ tag }) => tag === tags.directoryName)
    .flatMap((name) => partsOf(name, tags.directoryName))
    .flatMap((rdns) => partsOf(rdns, tags.sequence))
    .flatMap((rdn) => partsOf(rdn, tags.set));
  return new Map(
    attributes.flatMap((attribute) => {
      const [id, value] = partsOf(attribute, tags.sequence);
      const text = value === undefined ? undefined : textOf(value);
      return id === undefined || text === undefined ? [] : [[toHex(id.content), text] as const];
    }),
  );
}

/** Printable ASCII of some length; anything else is nothing that people should be shown. */
function textOf({ tag, content }: Element): string | undefined {
  const text = tag === tags.utf8String || tag === tags.printableString ? decodeUtf8(content) : undefined;
  return text !== undefined && /^[\x20-\x7e]{1,64}$/.test(text) ? text : undefined;
}
