import type { Failure } from "../errors.js";
import type { Signable } from "../signable.js";
import type { PairingPeer } from "./identity-statement.js";

/**
 * What a handshake is told. `start`, `signed`, `accepted`, `code_entered` and `stored` answer for this side and
 * come only when they are due; the others may come at any time.
 */
export type PairingInput =
  /** Controller: the relay found the peer. */
  | { readonly type: "start" }
  /** The payload of a relay `data` message. */
  | { readonly type: "frame"; readonly bytes: Uint8Array }
  /** Answer to `sign`: raw r‖s, 64 bytes. */
  | { readonly type: "signed"; readonly signature: Uint8Array }
  /** Target, answer to `confirm`: this peer may become a controller once its code fits. A no is an `abort`. */
  | { readonly type: "accepted" }
  /** Target, answer to `ask_code`: what the operator typed; white space in it does not matter. */
  | { readonly type: "code_entered"; readonly text: string }
  /** Answer to `store_pending`, `activate` and `store_target`: it is on the disk. */
  | { readonly type: "stored" }
  /** The session's time, or the last `deadline`, has passed. */
  | { readonly type: "timeout" }
  /** The peer or the relay closed the session. */
  | { readonly type: "peer_left" }
  /** This side ends it: the operator said no, a limit is reached, a write failed. */
  | { readonly type: "abort"; readonly failure: Failure };

/**
 * What a handshake wants done, to be carried out one after another in the order given. Effects that ask for an
 * answer are the last of their list.
 */
export type PairingEffect =
  /** Put these bytes into a relay `data` message. After the peer has left, this goes nowhere. */
  | { readonly type: "send"; readonly frame: Uint8Array }
  /** Sign with the device key; answer with `signed`. */
  | { readonly type: "sign"; readonly message: Signable }
  /** Controller: show this code, whose it is said to be, and that the peer's operator must type it there. */
  | { readonly type: "show_code"; readonly code: string; readonly peer: PairingPeer }
  /** Target: show the peer and ask whatever must be asked (replace a controller?); `accepted` or `abort`. */
  | { readonly type: "confirm"; readonly peer: PairingPeer }
  /** Target: ask for the code the controller shows; answer with `code_entered`. Fewer than 3 left: one was wrong. */
  | { readonly type: "ask_code"; readonly entriesLeft: number }
  /** Target: write the peer as a controller that is pending; answer with `stored`. */
  | { readonly type: "store_pending"; readonly peer: PairingPeer }
  /** Target: say `timeout` if the handshake has not gone on within so many seconds. */
  | { readonly type: "deadline"; readonly seconds: number }
  /** Target: make the pending entry active; answer with `stored`. */
  | { readonly type: "activate"; readonly peer: PairingPeer }
  /** Controller: write the peer as a target; answer with `stored`. */
  | { readonly type: "store_target"; readonly peer: PairingPeer }
  /** Undo what this handshake stored, or may be storing now: an entry it replaced is to be as it was before. */
  | { readonly type: "discard"; readonly peer: PairingPeer }
  /** It is complete; the last effect there is. */
  | { readonly type: "done"; readonly peer: PairingPeer }
  /** It failed for good; the last effect there is. `revealed`: it counts for the cool-down. */
  | { readonly type: "failed"; readonly failure: Failure; readonly revealed: boolean };
