import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { concatBytes, toBase64Url } from "@authmesh/core";
import { Malformed, sized, Unmarshaller, u16, u32 } from "../marshal.js";
import { equalBytes, leftPad } from "../public-area.js";

/**
 * The endorsement keys that manufacturers certify (TCG EK Credential Profile for TPM 2.0, annex B):
 * restricted decryption keys that come into being from a template alone, the same each time.
 */

interface Kind {
  /** Where the TPM keeps the certificate. */
  readonly certificateIndex: number;
  readonly hash: "sha256" | "sha384";
  readonly aesBits: 128 | 256;
  /** Its use needs a session that knows the password of the endorsement hierarchy; others have an empty password. */
  readonly needsPolicy: boolean;
  readonly algorithm: Algorithm;
  readonly beginning: Uint8Array;
  readonly template: Uint8Array;
}

/** How the key itself stands at the end of a public area. */
interface Algorithm {
  readonly type: number;
  readonly parameters: readonly Uint8Array[];
  readonly zeros: readonly number[];
  read(reader: Unmarshaller): JsonWebKey;
}

const none = u16(0x0010);

const rsa2048: Algorithm = {
  type: 0x0001,
  parameters: [u16(2048), u32(0)],
  zeros: [256],
  read(reader) {
    const n = reader.sized(256);
    const isWhole = n.length === 256 && (n[0] as number) >= 0x80 && ((n[255] as number) & 1) === 1;
    if (!isWhole) throw new Malformed("its modulus is not one of 2,048 bits");
    return { kty: "RSA", n: toBase64Url(n), e: "AQAB" };
  },
};

const curve = (crv: string, id: number, length: number): Algorithm => ({
  type: 0x0023,
  parameters: [u16(id), none],
  zeros: [length, length],
  read(reader) {
    const [x, y] = [reader.sized(length), reader.sized(length)];
    return { kty: "EC", crv, x: toBase64Url(leftPad(x, length)), y: toBase64Url(leftPad(y, length)) };
  },
});
const p256 = curve("P-256", 0x0003, 32);
const p384 = curve("P-384", 0x0004, 48);

interface Profile {
  readonly hash: Kind["hash"];
  readonly hashId: number;
  readonly aesBits: Kind["aesBits"];
  readonly attributes: number;
  readonly policy: string;
  readonly needsPolicy: boolean;
}

// fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt.
const attributes = 0x000300b2;
const userWithAuth = 0x40;

/** The policy is PolicySecret of the endorsement hierarchy. */
const low: Profile = {
  hash: "sha256",
  hashId: 0x000b,
  aesBits: 128,
  attributes,
  policy: "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa",
  needsPolicy: true,
};

/** The policy is that one, or one that the non-volatile memory names. */
const high: Profile = {
  ...low,
  attributes: attributes | userWithAuth,
  policy: "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0",
  needsPolicy: false,
};
const high384: Profile = {
  ...high,
  hash: "sha384",
  hashId: 0x000c,
  aesBits: 256,
  policy: "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12",
};

function kind(certificateIndex: number, algorithm: Algorithm, profile: Profile): Kind {
  const { hash, hashId, aesBits, needsPolicy, policy } = profile;
  const beginning = concatBytes(
    ...[u16(algorithm.type), u16(hashId), u32(profile.attributes), sized(Buffer.from(policy, "hex"))],
    ...[u16(0x0006), u16(aesBits), u16(0x0043), none], // AES-CFB, no scheme
    ...algorithm.parameters,
  );
  const unique = algorithm.zeros.map((length) => sized(new Uint8Array(profile === low ? length : 0)));
  const template = concatBytes(beginning, ...unique);
  return { certificateIndex, hash, aesBits, needsPolicy, algorithm, beginning, template };
}

/** By the name of its template; in the order in which a device tries them, the quickest first. */
export const endorsementKeyKinds = {
  "L-2": kind(0x01c0000a, p256, low),
  "H-2": kind(0x01c00014, p256, high),
  "H-3": kind(0x01c00016, p384, high384),
  "L-1": kind(0x01c00002, rsa2048, low),
  "H-1": kind(0x01c00012, rsa2048, high),
} as const satisfies Readonly<Record<string, Kind>>;

export type EndorsementKeyKind = keyof typeof endorsementKeyKinds;
export const kindNames = Object.keys(endorsementKeyKinds) as EndorsementKeyKind[];

export interface EndorsementKey {
  readonly kind: EndorsementKeyKind;
  readonly publicKey: KeyObject;
}

/** @throws Malformed unless the public area is one that a template of the table yields */
export function readEndorsementKey(area: Uint8Array): EndorsementKey {
  const name = kindNames.find((each) => {
    const { beginning } = endorsementKeyKinds[each];
    return equalBytes(area.subarray(0, beginning.length), beginning);
  });
  if (name === undefined) throw new Malformed("it is not made from a template of the TCG");
  const { algorithm, beginning }: Kind = endorsementKeyKinds[name];
  const reader = new Unmarshaller(area.subarray(beginning.length));
  const key = algorithm.read(reader);
  reader.end();
  try {
    return { kind: name, publicKey: createPublicKey({ key, format: "jwk" }) };
  } catch {
    throw new Malformed("it is no key of its algorithm");
  }
}
