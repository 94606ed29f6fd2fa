import type { CarriedData, DoneMessage, RelayErrorCode } from "@authmesh/core";
import type { Outcome } from "./metrics.js";
import type { Peer } from "./peer.js";
import type { CodeKind } from "./rate-limit.js";
import type { Session } from "./session-registry.js";

/** Whom a code leads to: `"here"` is for this instance's own registry to tell, and a peer is at another instance. */
export type Found = "here" | Peer | RelayErrorCode;

/** What the directory tells the exchange unasked. */
export interface DirectoryEvents {
  /** Somebody at another instance answered a code that waits here. Returns whether it still waited. */
  joined(session: Session<Peer>, connector: Peer): boolean;
  said(peer: Peer, message: CarriedData | DoneMessage): void;
  /** The other instance ended the session, or cannot be heard any more. */
  left(peer: Peer, reason: Outcome): void;
  /** A code that waits here is somebody else's by now. */
  superseded(session: Session<Peer>): void;
}

/** What the instances of a relay know together: who waits under which code, and what was tried in the last minute. */
export interface Directory {
  /** Whether it can be asked; `"alone"` when there is nobody to share with. */
  readonly state: "alone" | "up" | "down";
  /** Sessions whose other side is at another instance. */
  readonly across: number;
  /** Settles, once and maybe at once, with why not: `address` may not wait under this code, or nobody can be asked. */
  claim(session: Session<Peer>, address: string, settle: (refusal?: RelayErrorCode) => void): void;
  /** Settles, once and maybe at once. A code that was found counts as answered. */
  find(code: string, address: string, settle: (found: Found) => void): void;
  /** Counts a guess that missed, which this instance knew by itself. */
  miss(address: string, kind: CodeKind): void;
  /** The session is over, or never came to be. */
  release(session: Session<Peer>): void;
  /** Whether all instances together have used at least this share of what protects codes of a kind. */
  isUsed(share: number, kind: CodeKind): boolean;
  open(events: DirectoryEvents): Promise<void>;
  /** Does what is due. */
  sweep(): void;
  close(): Promise<void>;
}

/** The directory of a relay of one instance: what its registry and its limits do not know, nobody knows. */
export const loneDirectory: Directory = {
  state: "alone",
  across: 0,
  claim: (_session, _address, settle) => settle(),
  find: (_code, _address, settle) => settle("here"),
  miss() {},
  release() {},
  isUsed: () => false,
  async open() {},
  sweep() {},
  async close() {},
};
