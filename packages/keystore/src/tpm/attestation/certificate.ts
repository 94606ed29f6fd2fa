import { type KeyObject, X509Certificate } from "node:crypto";
import { decodeUtf8, toHex } from "@authmesh/core";
import { Malformed } from "../marshal.js";
import { type Element, elementsOf, partsOf, tags } from "./der.js";

/** What is looked at in a certificate (RFC 5280): by OpenSSL, and by us where it gives no answer. */
export interface Certificate {
  readonly x509: X509Certificate;
  /** Subject and key: certificates of the same holder stand for one another on a path. */
  readonly holder: string;
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch; NaN when nobody can tell. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly hasStrongSignature: boolean;
  /** Object identifiers, as hex of their DER, of critical extensions that nobody here understands. */
  readonly unknownCritical: readonly string[];
  /** Whether it calls itself an authority, and may be wrong. */
  readonly isAuthority: boolean;
  /** Of `keyUses`; undefined when it names none. */
  readonly keyUse: number | undefined;
  /** Extended key usages, by object identifier in dots; undefined when it names none. */
  readonly purposes: readonly string[] | undefined;
  /** Nobody here understands them, so that it may not answer for anybody. */
  readonly hasNameConstraints: boolean;
  /** How many certificates may stand between this one and the last; undefined is any number. */
  readonly pathLength: number | undefined;
  /** What a TPM's manufacturer says of it, by object identifier as hex of its DER. */
  readonly device: ReadonlyMap<string, string>;
}

export const maxCertificateLength = 4096;

/** Bits of the first byte of a key usage. */
export const keyUses = { keyEncipherment: 0x20, keyAgreement: 0x08 } as const;

// sha256, sha384, sha512 with RSA (PKCS #1 v1.5) and with ECDSA.
const strongSignatures = new Set([
  ...["2a864886f70d01010b", "2a864886f70d01010c", "2a864886f70d01010d"],
  ...["2a8648ce3d040302", "2a8648ce3d040303", "2a8648ce3d040304"],
]);

const extension = {
  keyUsage: "551d0f",
  alternativeName: "551d11",
  basicConstraints: "551d13",
  nameConstraints: "551d1e",
} as const;
const understood = new Set<string>([
  ...[extension.keyUsage, extension.alternativeName, extension.basicConstraints],
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
  const [constraints] = partsOfValue(extensions, extension.basicConstraints);
  const [keyUsage] = partsOfValue(extensions, extension.keyUsage);
  const { x509, key } = parse(der);
  return {
    x509,
    holder: `${x509.subject}\n${key.export({ type: "spki", format: "der" }).toString("base64")}`,
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    notBefore: Date.parse(x509.validFrom),
    notAfter: Date.parse(x509.validTo),
    hasStrongSignature: signedWith !== undefined && strongSignatures.has(toHex(signedWith.content)),
    unknownCritical: extensions
      .filter(({ id, critical }) => critical && !understood.has(id))
      .map(({ id }) => id),
    ...authorityOf(constraints),
    keyUse: keyUsage && useOf(keyUsage),
    purposes: x509.keyUsage, // so Node.js calls the extended key usage
    hasNameConstraints: extensions.some(({ id }) => id === extension.nameConstraints),
    device: deviceOf(partsOfValue(extensions, extension.alternativeName)),
  };
}

function parse(der: Uint8Array): { x509: X509Certificate; key: KeyObject } {
  const [x509, key] = (() => {
    try {
      const certificate = new X509Certificate(der);
      return [certificate, certificate.publicKey]; // of an algorithm that is not known, it throws
    } catch {
      throw new Malformed("it is no certificate");
    }
  })();
  if (!isOrdinary(key)) throw new Malformed("its key is none of those that are accepted");
  return { x509, key };
}

const curves = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** What a signature costs to check grows with the cube of an RSA key's length, and with its exponent. */
function isOrdinary({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = "" } = asymmetricKeyDetails;
  if (asymmetricKeyType === "ec") return curves.has(namedCurve);
  return asymmetricKeyType === "rsa" && modulusLength <= 4096 && publicExponent < 1n << 32n;
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

function authorityOf(constraints: Element | undefined): Pick<Certificate, "isAuthority" | "pathLength"> {
  const parts = constraints === undefined ? [] : partsOf(constraints, tags.sequence);
  const number = parts.find(({ tag }) => tag === tags.integer);
  return {
    isAuthority: parts.some(({ tag, content }) => tag === tags.boolean && content.some((byte) => byte !== 0)),
    pathLength: number?.content.reduce((value, byte) => 256 * value + byte, 0),
  };
}

/** The first byte of the bits; before it stands how many of the last are none. */
function useOf({ tag, content }: Element): number {
  if (tag !== tags.bitString) throw new Malformed("its key usage is not built as it should be");
  return content[1] ?? 0;
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
