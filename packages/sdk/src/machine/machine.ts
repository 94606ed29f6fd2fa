import type { Failure, TrustStore } from "@authmesh/core";
import type { PolicyEngine } from "@authmesh/oath";
import type { PolicyEvent } from "@authmesh/oath/node";
import type { FleetMemory } from "../device-revocations.js";
import type { LocalFeedOptions } from "../feed/local-feed.js";
import type { AccountFeed } from "../feed/united-trust.js";
import type { Logger } from "../logger.js";

/**
 * What a request guard asks of the machine it runs on. Two files satisfy it: `node.ts` (files, processes, zlib; Bun
 * and Deno take it too) and `portable.ts` (for runtimes that have none of them); `#machine` picks one when the
 * package is resolved.
 */
export interface Machine {
  /**
   * The allow list of an identity's folder, and, once it is open, whose it is and where more is kept. `ready` resolves, never rejects.
   *
   * @throws TypeError on a machine without files
   */
  localTrust(
    folder: string | undefined,
    logger: Logger,
  ): TrustStore & {
    ready(): Promise<void>;
    readonly deviceId: string | undefined;
    readonly fleetMemory: FleetMemory | undefined;
  };
  /**
   * The policy at a path, which follows its changes. `ready` resolves, never rejects.
   *
   * @throws TypeError on a machine without files
   */
  localPolicy(
    path: string,
    logger: Logger,
    onEvent: (event: PolicyEvent) => void,
  ): PolicyEngine & {
    ready(): Promise<void>;
    /** Why it cannot decide. */
    check(): Failure | undefined;
    /** Follows the path no more. */
    close(): void;
  };
  /**
   * A feed of an authority, followed in the background and kept beside the identity. `ready` resolves, never rejects.
   *
   * @throws TypeError on a machine without files
   */
  localFeed(options: LocalFeedOptions): AccountFeed & { ready(): Promise<void> };
  /** A verifier follows a feed no more that `localFeed` gave it. */
  leaveFeed(feed: AccountFeed): Promise<void>;
  /** Whether modules may use the network while they are loaded. */
  readonly fetchesAtLoad: boolean;
  /** Whether other processes may serve the same audience, with memories of their own. */
  mayHaveSiblings(): boolean;
  /** The encodings that the option `contentEncodings` may name. */
  readonly contentEncodings: ReadonlySet<string>;
  /**
   * Holds a body, once decoded, to a limit in bytes.
   *
   * @throws AmeshError `payload_too_large`, `unsupported_content_encoding`
   */
  checkDecodedSize(body: Uint8Array, contentEncoding: string, maxBytes: number): Promise<void>;
}
