import type { CarriedData, DoneMessage } from "@authmesh/core";
import type { Outcome } from "./metrics.js";
import type { Session } from "./session-registry.js";

/** One side of a session: a socket of this instance (`Connection`), or one of another instance (`RemotePeer`). */
export interface Peer {
  session: Session<Peer> | undefined;
  /** The coarse address, for the log; undefined for what is elsewhere. */
  readonly network: string | undefined;
  /** Bytes sent to it that did not go out yet. */
  readonly bytesWaiting: number;
  /** Tells it that the other side is there. */
  meet(): void;
  send(message: CarriedData | DoneMessage): void;
  /** Tells it why its session ended, if it does not know. */
  close(reason: Outcome): void;
  /** Ends it at once, for a peer that no word would reach. */
  drop(): void;
}
