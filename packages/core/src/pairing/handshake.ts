import { crypto } from "#crypto";
import type { Random } from "../key-agreement.js";
import type { PublicKey } from "../public-key.js";
import type { Role } from "../signable.js";
import { bootstrappingController, bootstrappingTarget } from "./bootstrap.js";
import { controller } from "./controller.js";
import { Machine } from "./machine.js";
import { fullStrength, type Setup, type Strength } from "./session.js";
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

/** What a handshake after a bootstrap has to know: the token's `jti` stands in for the code, and is a secret. */
export interface BootstrapPairingOptions extends Omit<PairingOptions, "rendezvous"> {
  readonly jti: string;
}

/**
 * The handshake of the controller that made a bootstrap token (docs/protocol.md, section 7.4): no digits, no
 * questions. A peer that does not know the `jti` cannot seal a frame.
 *
 * Failures: those of {@link pairAsController}.
 */
export function meetAsController({ jti, ...options }: BootstrapPairingOptions): PairingHandshake {
  return new Machine(bootstrappingController, setUp("controller", { ...options, rendezvous: jti }));
}

/**
 * The handshake of the machine that used a bootstrap token (docs/protocol.md, section 7.4). Stores nothing: it knows
 * its controller by the token, and no other peer is met.
 *
 * Failures: those of {@link pairAsTarget} but `pairing_code_mismatch`.
 *
 * @param options `controller`: the key that signed the token
 */
export function meetAsTarget({
  jti,
  controller,
  ...options
}: BootstrapPairingOptions & { readonly controller: PublicKey }): PairingHandshake {
  return new Machine(bootstrappingTarget(controller), setUp("target", { ...options, rendezvous: jti }));
}

export function begin(role: Role, options: PairingOptions, strength?: Strength): PairingHandshake {
  const setup = setUp(role, options, strength);
  return role === "controller" ? new Machine(controller, setup) : new Machine(target, setup);
}

function setUp(
  role: Role,
  { publicKey, friendlyName, rendezvous, random = crypto.randomBytes }: PairingOptions,
  strength: Strength = fullStrength,
): Setup {
  return { role, self: { publicKey: publicKey.base64, friendlyName }, rendezvous, random, strength };
}
