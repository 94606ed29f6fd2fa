import { crypto } from "#crypto";
import { concatBytes, utf8 } from "../encoding.js";
import { deriveSessionKey } from "../key-agreement.js";

/**
 * What both sides compute from the first three messages (docs/protocol.md, section 5).
 *
 * @module
 */

const label = "amesh/pair/1";

/** The controller's first message, 32 bytes: binds it to a share it has not shown yet. */
export function commitmentTo(share: Uint8Array): Uint8Array {
  return crypto.sha256(concatBytes(utf8(`${label} commit`), share));
}

/**
 * The transcript hash h: everything both sides have seen.
 *
 * @param rendezvous the text under which both met: the six digits of the pairing code
 * @param shares ephemeral public key and nonce of each side, 65 bytes each
 */
export function transcriptHash(
  rendezvous: string,
  commitment: Uint8Array,
  shares: { readonly target: Uint8Array; readonly controller: Uint8Array },
): Uint8Array {
  return crypto.sha256(concatBytes(utf8(label + rendezvous), commitment, shares.target, shares.controller));
}

/** The keys of the two directions, 32 bytes each, and the digits the operators compare. */
export interface PairingKeys {
  readonly controllerToTarget: Uint8Array;
  readonly targetToController: Uint8Array;
  readonly verificationCode: string;
}

/** Derives the keys from the shared secret and the transcript hash. */
export function derivePairingKeys(secret: Uint8Array, transcript: Uint8Array, digits: number): PairingKeys {
  const key = (purpose: string) =>
    deriveSessionKey(secret, { salt: transcript, info: `${label} ${purpose}` });
  const sasKey = key("sas");
  const mac = crypto.hmacSha256(sasKey, transcript);
  sasKey.fill(0);
  const number = new DataView(mac.buffer, mac.byteOffset, 8).getBigUint64(0);
  return {
    controllerToTarget: key("c2t"),
    targetToController: key("t2c"),
    verificationCode: String(number % 10n ** BigInt(digits)).padStart(digits, "0"),
  };
}
