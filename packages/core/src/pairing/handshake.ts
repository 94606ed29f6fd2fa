import { crypto } from "#crypto";
import type { Random } from "../key-agreement.js";
import type { PublicKey } from "../public-key.js";
import type { Role } from "../signable.js";
import { controller } from "./controller.js";
import { Machine } from "./machine.js";
import { fullStrength, type Strength } from "./session.js";
import { target } from "./target.js";
import type { PairingEffect, PairingInput } from "./vocabulary.js";

/** What a handshake has to know beforehand. */
export interface PairingOptions {
  /** This device's key. It never enters the handshake: signatures are asked for by the effect `sign`. */
  readonly publicKey: PublicKey;
  /** This device's name, as the peer will see it. */
  readonly friendlyName: string;
  /** The text under which both sides met at the relay: the six digits of the pairing code. Not a secret. */
  readonly rendezvous: string;
  /** Where the ephemeral key and the nonce come from; the system's CSPRNG by default. */
  readonly random?: Random;
}

/**
 * One side of one handshake. It does nothing by itself: it is told what happened and says what to do.
 *
 * Everything is synchronous. Inputs may come while an effect is still being carried out; effects wait for the one
 * before. A failure is final, for every further input the answer is an empty list.
 */
export interface PairingHandshake {
  /** The name of the present state, for logs. */
  readonly state: string;
  /**
   * @throws TypeError for an input that answers nothing that was asked, or a signature that is not of 64 bytes;
   * nothing a peer sends throws
   */
  handle(input: PairingInput): readonly PairingEffect[];
}

/**
 * The handshake of the device that will call (docs/protocol.md, section 5). Begins with the input `start`.
 *
 * Failures: `pairing_frame_invalid`, `pairing_identity_invalid`, `pairing_own_key`, `pairing_rejected`,
 * `pairing_timeout`, `pairing_peer_left`, and whatever an `abort` names.
 *
 * @example
 * const handshake = pairAsController({ publicKey, friendlyName: "Dev Laptop", rendezvous: "482916" });
 * handshake.handle({ type: "start" }); // [{ type: "send", frame }]
 */
export function pairAsController(options: PairingOptions): PairingHandshake {
  return begin("controller", options);
}

/**
 * The handshake of the device that will be called (docs/protocol.md, section 5). Begins with the peer's first
 * frame.
 *
 * Failures: those of {@link pairAsController} but `pairing_rejected`, and `pairing_commitment_mismatch`,
 * `pairing_code_mismatch`, `pairing_unconfirmed`.
 */
export function pairAsTarget(options: PairingOptions): PairingHandshake {
  return begin("target", options);
}

export function begin(
  role: Role,
  { publicKey, friendlyName, rendezvous, random = crypto.randomBytes }: PairingOptions,
  strength: Strength = fullStrength,
): PairingHandshake {
  const self = { publicKey: publicKey.base64, friendlyName };
  const setup = { role, self, rendezvous, random, strength };
  return role === "controller" ? new Machine(controller, setup) : new Machine(target, setup);
}
