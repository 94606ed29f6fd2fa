import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  type KeyObject,
  publicEncrypt,
} from "node:crypto";
import { concatBytes, type Random, utf8 } from "@authmesh/core";
import { sized, u32 } from "../marshal.js";
import type { Credential } from "./commands.js";
import { type EndorsementKey, endorsementKeyKinds } from "./endorsement-key.js";

/**
 * TPM2_MakeCredential in software (TPM 2.0 Library, part 1, section 24 and annexes B.10.4 and C.6.4): a secret that
 * the TPM of the endorsement key gives out only while the object of this name is loaded beside it.
 *
 * @param secret at most as long as a hash of the endorsement key's name algorithm
 */
export function makeCredential(
  endorsementKey: EndorsementKey,
  name: Uint8Array,
  secret: Uint8Array,
  random: Random,
): Credential {
  const { hash, aesBits } = endorsementKeyKinds[endorsementKey.kind];
  const [seed, encryptedSeed] = shareSeed(endorsementKey.publicKey, hash, random);
  const storageKey = deriveKey(hash, seed, "STORAGE", name, aesBits);
  const cipher = createCipheriv(`aes-${aesBits}-cfb`, storageKey, new Uint8Array(16));
  const encrypted = concatBytes(cipher.update(sized(secret)), cipher.final());
  const integrityKey = deriveKey(hash, seed, "INTEGRITY", new Uint8Array(), 8 * lengthOf(hash));
  const integrity = createHmac(hash, integrityKey).update(encrypted).update(name).digest();
  return { blob: concatBytes(sized(integrity), encrypted), seed: encryptedSeed };
}

type Hash = "sha256" | "sha384";

/** SEC 1, section 2.3.3: what an uncompressed point begins with. */
const UNCOMPRESSED = Uint8Array.of(4);

/** A seed, and what lets the TPM have it too. */
function shareSeed(key: KeyObject, hash: Hash, random: Random): [seed: Uint8Array, encrypted: Uint8Array] {
  if (key.asymmetricKeyType === "rsa") {
    const seed = random(lengthOf(hash));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const options = { key, padding, oaepHash: hash, oaepLabel: Buffer.from("IDENTITY\0") };
    return [seed, publicEncrypt(options, seed)];
  }
  const ephemeral = createECDH(key.asymmetricKeyDetails?.namedCurve ?? "");
  const [x, y] = halves(ephemeral.generateKeys().subarray(1));
  const [theirX, theirY] = coordinates(key);
  const shared = ephemeral.computeSecret(concatBytes(UNCOMPRESSED, theirX, theirY));
  // KDFe (part 1, section 11.4.10.3). One block is all that is needed, here and below: no key is longer than a hash.
  const parties = concatBytes(utf8("IDENTITY\0"), x, theirX);
  const seed = createHash(hash).update(u32(1)).update(shared).update(parties).digest();
  return [seed, concatBytes(sized(x), sized(y))];
}

/** KDFa (part 1, section 11.4.10.2). */
function deriveKey(
  hash: Hash,
  seed: Uint8Array,
  label: string,
  context: Uint8Array,
  bits: number,
): Uint8Array {
  const parts = concatBytes(u32(1), utf8(`${label}\0`), context, u32(bits));
  return createHmac(hash, seed)
    .update(parts)
    .digest()
    .subarray(0, bits / 8);
}

const lengthOf = (hash: Hash) => createHash(hash).digest().length;

const halves = (point: Uint8Array): [x: Uint8Array, y: Uint8Array] => [
  point.subarray(0, point.length / 2),
  point.subarray(point.length / 2),
];

function coordinates(key: KeyObject): [x: Uint8Array, y: Uint8Array] {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return [Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
}
