import { createHash } from "node:crypto";
import { AmeshError, concatBytes, PublicKey, type Signable } from "@authmesh/core";
import { verifiedSignature } from "../internal/verified-signature.js";
import { leftPad } from "../tpm/public-area.js";
import { attribute, type Handle, objectClass, type Template } from "./cryptoki.js";
import { TokenLost } from "./return-codes.js";
import type { Session } from "./session.js";

/**
 * What an identity has on a token (docs/protocol.md, section 11): a key pair and two data objects, all bearing its
 * id, 16 random bytes. Whatever is looked for is private: without the PIN nobody can put another one in its place.
 */

const application = "amesh";
const p256 = Buffer.from("06082a8648ce3d030107", "hex"); // the object identifier 1.2.840.10045.3.1.7
const onToken = { type: attribute.token, value: true };
const isPrivate = { type: attribute.private, value: true };

const labelOf = (id: Buffer, role: string) => `${application} ${id.toString("hex")} ${role}`;

const signingKeyOf = (id: Buffer): Template => [
  { type: attribute.class, value: objectClass.privateKey },
  onToken,
  isPrivate,
  { type: attribute.id, value: id },
];

const publicKeyOf = (id: Buffer): Template => [
  { type: attribute.class, value: objectClass.publicKey },
  onToken,
  { type: attribute.id, value: id },
];

const dataOf = (id: Buffer, role: "sealing secret" | "remembered"): Template => [
  { type: attribute.class, value: objectClass.data },
  onToken,
  isPrivate,
  { type: attribute.application, value: application },
  { type: attribute.label, value: labelOf(id, role) },
];

/** Made inside of the token, for ECDSA signatures and nothing else, and never to leave it. */
export async function makeKeyPair(session: Session, id: Buffer): Promise<PublicKey> {
  const label = { type: attribute.label, value: labelOf(id, "key") };
  const made = await session.generateKeyPair(
    [
      ...publicKeyOf(id),
      label,
      { type: attribute.ecParams, value: p256 },
      { type: attribute.verify, value: true },
    ],
    [
      ...signingKeyOf(id),
      label,
      { type: attribute.sign, value: true },
      { type: attribute.sensitive, value: true },
      { type: attribute.extractable, value: false },
      { type: attribute.decrypt, value: false },
      { type: attribute.unwrap, value: false },
      { type: attribute.derive, value: false },
    ],
  );
  return readPoint(session.read(made, attribute.ecPoint));
}

/**
 * Reads an uncompressed point: in a DER OCTET STRING as the standard says, or bare as some tokens have it.
 *
 * @throws AmeshError `key_store_unavailable`
 */
export function readPoint(encoded: Buffer = Buffer.alloc(0)): PublicKey {
  const isDer = encoded.length === 67 && encoded[0] === 0x04 && encoded[1] === 65;
  const point = isDer ? encoded.subarray(2) : encoded;
  try {
    if (point.length !== 65 || point[0] !== 0x04) throw new Error(`${point.length} bytes`);
    const sign = 2 + ((point[64] as number) & 1);
    return PublicKey.fromBytes(concatBytes(Uint8Array.of(sign), point.subarray(1, 33)));
  } catch (cause) {
    throw unfit("its public key is no point of P-256", cause);
  }
}

/** @throws AmeshError `key_mismatch` */
export async function sign(
  session: Session,
  { id, publicKey }: { readonly id: Buffer; readonly publicKey: PublicKey },
  message: Signable,
): Promise<Uint8Array> {
  const digest = createHash("sha256").update(message).digest();
  const signature = fromToken(await session.sign(signingKey(session, id), digest));
  const misfit = () =>
    new AmeshError("key_mismatch", `The token signs, but not with the key of ${publicKey.deviceId}.`);
  return verifiedSignature(publicKey, message, signature, misfit);
}

/** Both halves have the same length; some tokens leave out zeros that both begin with. */
function fromToken(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  if (!Number.isInteger(half)) throw unfit(`a signature of ${raw.length} bytes`);
  return concatBytes(leftPad(raw.subarray(0, half)), leftPad(raw.subarray(half)));
}

/** Found once a session, and held to what was asked when it was made. */
function signingKey(session: Session, id: Buffer): Handle {
  const name = id.toString("hex");
  const known = session.keys.get(name);
  if (known !== undefined) return known;
  const key = only(session, signingKeyOf(id), "key");
  for (const [type, value] of demands) {
    const told = session.read(key, type);
    if (told === undefined ? mustTell.has(type) : told[0] !== value)
      throw unfit("it does not promise that the key never leaves it");
  }
  session.keys.set(name, key);
  return key;
}

const demands = [
  [attribute.sensitive, 1],
  [attribute.extractable, 0],
  [attribute.alwaysSensitive, 1],
  [attribute.neverExtractable, 1],
  [attribute.local, 1],
] as const;
const mustTell: ReadonlySet<number> = new Set([attribute.sensitive, attribute.extractable]);

export function keepSecret(session: Session, id: Buffer, secret: Buffer): void {
  session.create([
    ...dataOf(id, "sealing secret"),
    { type: attribute.modifiable, value: false },
    { type: attribute.value, value: secret },
  ]);
}

export function readSecret(session: Session, id: Buffer): Uint8Array {
  const secret = session.read(findSecret(session, id), attribute.value);
  if (secret?.length !== 32) throw damaged("The sealing secret on the token has not 32 bytes.");
  return Uint8Array.from(secret);
}

const findSecret = (session: Session, id: Buffer) =>
  only(session, dataOf(id, "sealing secret"), "sealing secret");

/**
 * What is remembered is behind a number that goes up. Few tokens change the value of an object, so a new one is made
 * and then the old one goes: at any instant the one with the highest number is the last.
 */
export function remember(session: Session, id: Buffer, bytes: Uint8Array): void {
  const older = memories(session, id);
  const number = Buffer.alloc(4);
  number.writeUInt32BE((older[0]?.number ?? 0) + 1);
  const value = Buffer.concat([number, bytes]);
  session.create([...dataOf(id, "remembered"), { type: attribute.value, value }]);
  for (const { object } of older) session.destroy(object);
}

export const recall = (session: Session, id: Buffer): Uint8Array | undefined =>
  memories(session, id)[0]?.bytes;

interface Memory {
  readonly object: Handle;
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The last one first. A session that was logged out sees none, so "none" counts while it sees the sealing secret. */
function memories(session: Session, id: Buffer): readonly Memory[] {
  const read = (object: Handle): Memory => {
    const value = session.read(object, attribute.value);
    if (value === undefined || value.length < 4 || value.length > 4 + 64)
      throw damaged("What the token remembers is not what amesh wrote.");
    return { object, number: value.readUInt32BE(), bytes: Uint8Array.from(value.subarray(4)) };
  };
  const found = session.find(dataOf(id, "remembered"));
  if (found.length === 0) findSecret(session, id);
  return found.map(read).sort((a, b) => b.number - a.number);
}

/** Removes everything that bears the id. */
export function destroyAll(session: Session, id: Buffer): void {
  const kinds = [signingKeyOf(id), publicKeyOf(id), dataOf(id, "sealing secret"), dataOf(id, "remembered")];
  for (const object of kinds.flatMap((kind) => session.find(kind))) session.destroy(object);
  session.keys.delete(id.toString("hex"));
}

/** Before it is said that a key is gone, the token is looked at anew: it may just be away. */
function only(session: Session, template: Template, what: string): Handle {
  const [object, another] = session.find(template);
  if (object === undefined)
    throw new TokenLost("key_not_found", `The token holds no ${what} of this identity: somebody deleted it.`);
  if (another !== undefined) throw damaged(`The token holds several objects where one ${what} belongs.`);
  return object;
}

const damaged = (detail: string) => new AmeshError("key_store_damaged", detail);
const unfit = (reason: string, cause?: unknown) =>
  new AmeshError("key_store_unavailable", `The token cannot be used: ${reason}.`, {
    fix: "Use another token, or another key store.",
    cause,
  });
