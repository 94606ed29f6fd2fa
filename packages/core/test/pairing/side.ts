import { p256 } from "@noble/curves/nist.js";
import { type PairingEffect, type PairingHandshake, type PairingInput, PublicKey } from "../../src/index.js";
import { begin } from "../../src/pairing/handshake.js";
import type { Strength } from "../../src/pairing/session.js";
import type { Role } from "../../src/signable.js";
import { sha256 } from "./by-the-book.js";

export const rendezvous = "482916";

/** A device with a key of its own, the same one in every run. Its signatures are deterministic (RFC 6979). */
export interface Device {
  readonly publicKey: PublicKey;
  readonly friendlyName: string;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

export function device(friendlyName: string): Device {
  const privateKey = sha256("a device of the tests", friendlyName);
  return {
    publicKey: PublicKey.fromBytes(p256.getPublicKey(privateKey, true)),
    friendlyName,
    sign: (message) => p256.sign(message, privateKey),
  };
}

export const laptop = device("Dev Laptop");
export const server = device("prod-api");

/** Bytes from a seed: SHA-256 in counter mode. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let count = 0;
  return (length) => Uint8Array.from(sha256(seed, String(count++)).subarray(0, length));
}

export interface SideOptions {
  readonly code?: string;
  readonly random?: (length: number) => Uint8Array;
  readonly strength?: Strength;
}

/** One side with a driver that answers by itself all but the code, and writes down what it was told to do. */
export class Side {
  readonly role: Role;
  readonly handshake: PairingHandshake;
  readonly effects: PairingEffect[] = [];
  /** Frames that nobody has carried to the peer yet. */
  readonly outbox: Uint8Array[] = [];
  /** What this side's disk holds: device ids, and what they count as. */
  readonly disk = new Map<string, "pending" | Role>();
  readonly #device: Device;

  constructor(role: Role, device: Device, options: SideOptions = {}) {
    const { code = rendezvous, random, strength } = options;
    const { publicKey, friendlyName } = device;
    this.role = role;
    this.#device = device;
    this.handshake = begin(
      role,
      { publicKey, friendlyName, rendezvous: code, ...(random && { random }) },
      strength,
    );
  }

  handle(input: PairingInput): void {
    for (const effect of this.handshake.handle(input)) this.#carryOut(effect);
  }

  receive(bytes: Uint8Array): void {
    this.handle({ type: "frame", bytes });
  }

  enter(text: string): void {
    this.handle({ type: "code_entered", text });
  }

  /** The code it shows. */
  get shown(): string | undefined {
    return this.last("show_code")?.code;
  }

  get failure(): string | undefined {
    return this.last("failed")?.failure.code;
  }

  last<Type extends PairingEffect["type"]>(type: Type): Extract<PairingEffect, { type: Type }> | undefined {
    return this.effects.findLast((effect) => effect.type === type) as never;
  }

  #carryOut(effect: PairingEffect): void {
    this.effects.push(effect);
    switch (effect.type) {
      case "send":
        this.outbox.push(effect.frame);
        break;
      case "sign":
        this.handle({ type: "signed", signature: this.#device.sign(effect.message) });
        break;
      case "confirm":
        this.handle({ type: "accepted" });
        break;
      case "store_pending":
        this.disk.set(effect.peer.deviceId, "pending");
        this.handle({ type: "stored" });
        break;
      case "activate":
        this.disk.set(effect.peer.deviceId, "controller");
        this.handle({ type: "stored" });
        break;
      case "store_target":
        this.disk.set(effect.peer.deviceId, "target");
        this.handle({ type: "stored" });
        break;
      case "discard":
        this.disk.delete(effect.peer.deviceId);
        break;
    }
  }
}

export interface Couple {
  readonly controller: Side;
  readonly target: Side;
}

export const couple = (options: { controller?: SideOptions; target?: SideOptions } = {}): Couple => ({
  controller: new Side("controller", laptop, options.controller),
  target: new Side("target", server, options.target),
});

/** What a relay does to a frame: pass it on, change it, or swallow it. */
export type Relay = (frame: Uint8Array, from: Side) => Uint8Array | undefined;

/** Carries frames until none is left; the relay behaves unless it is told otherwise. */
export function carry({ controller, target }: Couple, relay: Relay = (frame) => frame): void {
  for (;;) {
    const from = [controller, target].find(({ outbox }) => outbox.length > 0);
    if (from === undefined) return;
    const frame = relay(from.outbox.shift() as Uint8Array, from);
    if (frame !== undefined) (from === controller ? target : controller).receive(frame);
  }
}

/** Lets both sides meet: the controller shows the code, the target asks for it. */
export function meet(both: Couple, relay?: Relay): Couple {
  both.controller.handle({ type: "start" });
  carry(both, relay);
  return both;
}

/** The target's operator types what the controller shows, if they have come that far. */
export function confirm(both: Couple, relay?: Relay): Couple {
  const { shown } = both.controller;
  if (shown !== undefined && both.target.handshake.state === "askingCode") both.target.enter(shown);
  carry(both, relay);
  return both;
}

export const metCouple = (options?: Parameters<typeof couple>[0]): Couple => meet(couple(options));

/** Runs a whole pairing as far as the relay lets it come; then both sides hear that the other is gone. */
export function attempt(relay: Relay, both = couple()): Couple {
  confirm(meet(both, relay), relay);
  both.controller.handle({ type: "peer_left" });
  both.target.handle({ type: "peer_left" });
  return both;
}

/** Acts on one frame only: the one that `role` sends as its `index`th. */
export function on(role: Role, index: number, act: Relay): Relay {
  let seen = 0;
  return (frame, from) => (from.role === role && seen++ === index ? act(frame, from) : frame);
}

/** Every frame of a handshake: who sends it, and as which of its frames. */
export const places = [
  { role: "controller", name: "commitment", index: 0 },
  { role: "controller", name: "share", index: 1 },
  { role: "controller", name: "identity", index: 2 },
  { role: "controller", name: "acknowledgement", index: 3 },
  { role: "target", name: "share", index: 0 },
  { role: "target", name: "identity", index: 1 },
  { role: "target", name: "verdict", index: 2 },
] as const;
