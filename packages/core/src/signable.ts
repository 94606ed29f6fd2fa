import { canonicalString } from "./canonical-string.js";
import { concatBytes, utf8 } from "./encoding.js";

/**
 * Everything a device key signs is built in this module and begins with a prefix of the closed list of
 * docs/protocol.md, section 1. The type is the guard: a key store signs only a `Signable`, and only this module
 * makes one, so that no peer ever gets bytes of its choosing signed.
 */
export type Signable = Uint8Array & { readonly [madeHere]: true };
declare const madeHere: unique symbol;

/** Signs with a device's key: raw r‖s, 64 bytes, low-S. */
export type Sign = (message: Signable) => Promise<Uint8Array>;

const signable = (bytes: Uint8Array): Signable => bytes as Signable;

/** The role a device plays in one pairing: the controller calls, the target is called. */
export type Role = "controller" | "target";

/** An HTTP request of protocol version 1 (section 2); `bodyHash` is lower-case hex. */
export function signableRequest(
  method: string,
  target: string,
  timestamp: string,
  nonce: string,
  bodyHash: string,
): Signable {
  return signable(utf8(canonicalString(method, target, timestamp, nonce, bodyHash)));
}

/** A device's identity in a pairing (section 5): role, transcript hash, hash of what it says of itself. */
export function signablePairingIdentity(role: Role, transcript: Uint8Array, statement: Uint8Array): Signable {
  return signable(concatBytes(utf8(`amesh/pair/1 identity${role}`), transcript, statement));
}

/** A request that no verifier accepts (its timestamp is 0), to see whether a key store signs at all. */
export function signableProbe(): Signable {
  return signableRequest("GET", "/", "0", "", "");
}
