import { crypto } from "#crypto";
import { canonicalJson, isJsonObject, type JsonObject } from "../canonical-json.js";
import { concatBytes, utf8 } from "../encoding.js";
import { AmeshError } from "../errors.js";
import { parseStrictJson } from "../strict-json.js";

/**
 * The messages of a handshake as the relay carries them (docs/protocol.md, section 5). The first three are bare
 * bytes told apart by their place and length; the rest are sealed: a type byte, then ChaCha20-Poly1305.
 *
 * @module
 */

export const commitmentLength = 32;
/** An ephemeral public key (33 bytes) and a nonce (32 bytes). */
export const shareLength = 65;
export const publicKeyLength = 33;
/** Type byte and tag included. */
export const sealedFrameLimit = 4096;

export const frameTypes = { identity: 1, verdict: 2, acknowledgement: 3 } as const;
export type FrameType = keyof typeof frameTypes;

/** A message of a sealed frame; members that a reader does not know mean nothing to it. */
export type Message = JsonObject;

export const verdicts = { ok: { verdict: "ok" }, no: { verdict: "no" } } as const;
export const acknowledgement = { ack: true } as const;

/** Passes on bytes of the one length that fits. @throws AmeshError `pairing_frame_invalid` */
export function exactly(length: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length === length) return Uint8Array.from(bytes);
  throw frameInvalid(`A message of ${length} bytes was due, and one of ${bytes.length} came.`);
}

/** Whether the target said yes. @throws AmeshError `pairing_frame_invalid` */
export function readVerdict({ verdict }: Message): boolean {
  if (verdict !== "ok" && verdict !== "no") throw frameInvalid("The verdict is neither ok nor no.");
  return verdict === "ok";
}

/** @throws AmeshError `pairing_frame_invalid` */
export function readAcknowledgement({ ack }: Message): void {
  if (ack !== true) throw frameInvalid("The acknowledgement does not acknowledge.");
}

export const frameInvalid = (detail: string, options?: { cause: unknown }) =>
  new AmeshError("pairing_frame_invalid", detail, options);

/** The keys of one side, 32 bytes each, and the transcript hash. The channel does not wipe them. */
export interface ChannelKeys {
  readonly sending: Uint8Array;
  readonly receiving: Uint8Array;
  readonly transcript: Uint8Array;
}

/**
 * One side's end of the two sealed directions. Each direction has its key and counts its frames in the nonce, so
 * a frame opens once, in its place, in its direction, as its type, within its handshake.
 */
export class SealedChannel {
  readonly #keys: ChannelKeys;
  #sent = 0;
  #received = 0;

  constructor(keys: ChannelKeys) {
    this.#keys = keys;
  }

  seal(type: FrameType, message: Message): Uint8Array {
    const plaintext = utf8(canonicalJson(message));
    const nonce = counterNonce(this.#sent++);
    const sealed = crypto.seal(this.#keys.sending, nonce, plaintext, this.#associated(type));
    return concatBytes(typeByte(type), sealed);
  }

  /** @throws AmeshError `pairing_frame_invalid` */
  open(type: FrameType, frame: Uint8Array): Message {
    if (frame.length > sealedFrameLimit) throw frameInvalid(`A frame of ${frame.length} bytes is too long.`);
    if (frame[0] !== frameTypes[type]) throw frameInvalid(`A frame of the type ${type} was due.`);
    const nonce = counterNonce(this.#received++);
    const plaintext = crypto.open(this.#keys.receiving, nonce, frame.subarray(1), this.#associated(type));
    if (plaintext === undefined) throw frameInvalid("The seal of a frame does not fit.");
    return readMessage(plaintext);
  }

  #associated(type: FrameType): Uint8Array {
    return concatBytes(this.#keys.transcript, typeByte(type));
  }
}

/** 96 bits, big-endian. */
function counterNonce(count: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(8, count);
  return nonce;
}

const typeByte = (type: FrameType) => Uint8Array.of(frameTypes[type]);

function readMessage(plaintext: Uint8Array): Message {
  const { value, problem } = parseStrictJson(plaintext, { maxLength: sealedFrameLimit });
  if (problem !== undefined) throw frameInvalid(`A frame cannot be read: ${problem}.`);
  if (!isJsonObject(value)) throw frameInvalid("A frame holds no JSON object.");
  return value;
}
