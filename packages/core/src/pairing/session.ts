import { crypto } from "#crypto";
import { concatBytes } from "../encoding.js";
import { AmeshError } from "../errors.js";
import { computeSharedSecret, generateEphemeralKeyPair, type Random } from "../key-agreement.js";
import type { Role } from "../signable.js";
import { frameInvalid, publicKeyLength, SealedChannel } from "./frames.js";
import {
  type IdentityStatement,
  identityMessage,
  type PairingPeer,
  readIdentity,
  signableIdentity,
} from "./identity-statement.js";
import { commitmentTo, derivePairingKeys, transcriptHash } from "./transcript.js";
import type { PairingEffect } from "./vocabulary.js";

/**
 * The parts of the handshake that are the same on both sides (docs/protocol.md, section 5).
 *
 * @module
 */

/** What every state knows. */
export interface Known {
  /** Overwritten with zeros when the handshake ends. */
  readonly secrets: readonly Uint8Array[];
}

/** What one side brings along. */
export interface Setup {
  readonly role: Role;
  readonly self: IdentityStatement;
  readonly rendezvous: string;
  readonly random: Random;
  readonly strength: Strength;
}

/**
 * What the verification code rests on. The package exports no way to choose another: the tests take fewer digits
 * to count an attacker's successes, and the commitment away to see that they would notice.
 */
export interface Strength {
  readonly digits: number;
  readonly opens: (commitment: Uint8Array, share: Uint8Array) => boolean;
}

export const fullStrength: Strength = {
  digits: 6,
  opens: (commitment, share) => crypto.equal(commitment, commitmentTo(share)),
};

/** This side's share of the key agreement: drawn once a handshake, used once. */
export interface Drawn extends Known {
  readonly privateKey: Uint8Array;
  /** Ephemeral public key and nonce, 65 bytes. */
  readonly share: Uint8Array;
}

/** From here on the two directions are sealed. */
export interface Secured extends Known {
  readonly transcript: Uint8Array;
  readonly channel: SealedChannel;
  readonly verificationCode: string;
}

/** From here on the peer is known. */
export interface Met extends Secured {
  readonly peer: PairingPeer;
}

export function drawShare(random: Random): Drawn {
  const { privateKey, publicKey } = generateEphemeralKeyPair(random);
  return { privateKey, share: concatBytes(publicKey, random(32)), secrets: [privateKey] };
}

/** @throws AmeshError `pairing_frame_invalid` when the peer's ephemeral key is not a point of the curve */
export function secure(
  own: Drawn,
  peerShare: Uint8Array,
  commitment: Uint8Array,
  { role, rendezvous, strength }: Setup,
): Secured {
  const shares =
    role === "controller"
      ? { controller: own.share, target: peerShare }
      : { controller: peerShare, target: own.share };
  const secret = agree(own.privateKey, peerShare.subarray(0, publicKeyLength));
  const transcript = transcriptHash(rendezvous, commitment, shares);
  const { controllerToTarget, targetToController, verificationCode } = derivePairingKeys(
    secret,
    transcript,
    strength.digits,
  );
  for (const spent of [own.privateKey, secret]) spent.fill(0);
  const [sending, receiving] =
    role === "controller"
      ? [controllerToTarget, targetToController]
      : [targetToController, controllerToTarget];
  const channel = new SealedChannel({ sending, receiving, transcript });
  return { transcript, channel, verificationCode, secrets: [sending, receiving] };
}

/**
 * Reads the peer's identity frame.
 *
 * @throws AmeshError `pairing_frame_invalid`, `pairing_identity_invalid`, `pairing_own_key`
 */
export function meet(known: Secured, frame: Uint8Array, { role, self }: Setup): Met {
  const peerRole = role === "controller" ? "target" : "controller";
  const peer = readIdentity(known.channel.open("identity", frame), peerRole, known.transcript);
  if (peer.publicKey.base64 === self.publicKey) throw new AmeshError("pairing_own_key");
  return { ...known, peer };
}

export const send = (frame: Uint8Array): PairingEffect => ({ type: "send", frame });

export function signIdentity(known: Secured, { role, self }: Setup): PairingEffect {
  return { type: "sign", message: signableIdentity(role, known.transcript, self) };
}

export function sendIdentity(known: Secured, signature: Uint8Array, { self }: Setup): PairingEffect {
  return send(known.channel.seal("identity", identityMessage(self, signature)));
}

function agree(privateKey: Uint8Array, peer: Uint8Array): Uint8Array {
  try {
    return computeSharedSecret(privateKey, peer);
  } catch (cause) {
    if (cause instanceof AmeshError) throw frameInvalid(cause.message, { cause });
    throw cause;
  }
}
