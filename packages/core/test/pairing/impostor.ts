import type { Role } from "../../src/signable.js";
import * as book from "./by-the-book.js";
import { type Device, device } from "./side.js";

// The attacker's ephemeral private key is 1. A share then tells it the secret at once: the x-coordinate of the
// peer's own point. It gives up nothing by that, and can afford as many tries as it likes.
const generator = book.pointOf(Buffer.from("1".padStart(64, "0"), "hex"));

/** A share of the attacker's: its point, or the point's mirror image, and any nonce. */
export const shareOf = (nonce: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(2 + ((nonce[0] as number) & 1)), generator.subarray(1), nonce]);

const secretWith = (peerShare: Uint8Array) => peerShare.subarray(1, 33);

/** The code that a handshake between the attacker, in the given role, and its peer leads to. */
export function codeOf(role: Role, seen: book.Seen, digits: number): string {
  const peerShare = role === "controller" ? seen.targetShare : seen.controllerShare;
  return book.verificationCode(secretWith(peerShare), book.transcript(seen), digits);
}

/** The attacker as one side of a handshake of its own, from the exchange of shares on. */
export class Impostor {
  readonly device: Device = device("Mallory");
  readonly #role: Role;
  readonly #h: Buffer;
  readonly #key: Buffer;
  #sent = 0;

  constructor(role: Role, seen: book.Seen) {
    this.#role = role;
    this.#h = book.transcript(seen);
    const peerShare = role === "controller" ? seen.targetShare : seen.controllerShare;
    const { c2t, t2c } = book.keys(secretWith(peerShare), this.#h);
    this.#key = role === "controller" ? c2t : t2c;
  }

  identity(): Buffer {
    const { publicKey, friendlyName, sign } = this.device;
    const signed = book.signedBytes(this.#role, this.#h, book.statement(publicKey.base64, friendlyName));
    const sig = Buffer.from(sign(signed)).toString("base64url");
    return this.say(1, JSON.stringify({ publicKey: publicKey.base64, friendlyName, sig }));
  }

  say(type: number, plaintext: string): Buffer {
    return book.seal(this.#key, this.#sent++, this.#h, type, plaintext);
  }
}
