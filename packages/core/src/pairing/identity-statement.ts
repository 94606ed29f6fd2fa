import { crypto } from "#crypto";
import { canonicalJson } from "../canonical-json.js";
import { fromBase64Url, toBase64Url, utf8 } from "../encoding.js";
import { AmeshError } from "../errors.js";
import { friendlyName as cleanName } from "../friendly-name.js";
import { PublicKey } from "../public-key.js";
import { type Role, type Signable, signablePairingIdentity } from "../signable.js";
import type { Message } from "./frames.js";

/** What a device says of itself in a pairing (docs/protocol.md, section 5). */
export interface IdentityStatement {
  /** The device key: the compressed point in standard base64, as the `id` of the AuthMesh header. */
  readonly publicKey: string;
  readonly friendlyName: string;
}

/** The other device, once it has proved that it holds the key it shows. */
export interface PairingPeer {
  readonly deviceId: string;
  readonly publicKey: PublicKey;
  /** Cleaned: NFC, at most 64 code points, nothing that could redraw a line of text. */
  readonly friendlyName: string;
}

/** The bytes a device signs to take part in this one handshake, in this one role. */
export function signableIdentity(role: Role, transcript: Uint8Array, statement: IdentityStatement): Signable {
  // Built member by member: whatever else a peer's message holds is not part of what is signed.
  const { publicKey, friendlyName } = statement;
  return signablePairingIdentity(
    role,
    transcript,
    crypto.sha256(utf8(canonicalJson({ publicKey, friendlyName }))),
  );
}

export function identityMessage(statement: IdentityStatement, signature: Uint8Array): Message {
  if (signature.length !== 64) throw new TypeError("A device's signature has 64 bytes.");
  return { ...statement, sig: toBase64Url(signature) };
}

/**
 * Reads the identity of a peer that plays `role`. The signature covers the name as it was sent; the name that is
 * handed on is cleaned.
 *
 * @throws AmeshError `pairing_identity_invalid`
 */
export function readIdentity(message: Message, role: Role, transcript: Uint8Array): PairingPeer {
  const { publicKey, friendlyName, sig } = message;
  if (typeof publicKey !== "string" || typeof friendlyName !== "string" || typeof sig !== "string") {
    throw identityInvalid("It lacks publicKey, friendlyName or sig.");
  }
  const signature = fromBase64Url(sig);
  const peer = readPeer({ publicKey, friendlyName });
  const signed = signableIdentity(role, transcript, { publicKey, friendlyName });
  if (signature === undefined || !peer.publicKey.verify(signed, signature)) {
    throw identityInvalid("Its signature does not fit this handshake.");
  }
  return peer;
}

function readPeer(statement: IdentityStatement): PairingPeer {
  try {
    const publicKey = PublicKey.fromBase64(statement.publicKey);
    return { deviceId: publicKey.deviceId, publicKey, friendlyName: cleanName(statement.friendlyName) };
  } catch (cause) {
    if (cause instanceof AmeshError) throw identityInvalid(cause.message, { cause });
    throw cause;
  }
}

const identityInvalid = (reason: string, options?: { cause: unknown }) =>
  new AmeshError("pairing_identity_invalid", `The other side's identity was refused. ${reason}`, options);
