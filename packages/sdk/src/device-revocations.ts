import type { TrustStore } from "@authmesh/core";
import type { Logger } from "./logger.js";

/** Where what was believed of a fleet is kept over a restart: signed statements. */
export interface FleetMemory {
  /** @throws AmeshError `storage_failed` */
  recall(): readonly string[];
  /** In the place of what was kept before. @throws AmeshError `storage_failed`, `allow_list_locked` */
  remember(statements: readonly string[]): Promise<void>;
}

/** Where a verifier stands that takes revocations of a fleet into account. */
export interface RevocationScene {
  /** Whom this machine accepts otherwise, and who of them may revoke. */
  readonly trust: TrustStore;
  /** Opens that store; resolves, never rejects. */
  readonly ready: () => Promise<void>;
  /** Device ids that are believed beside the entries with `__manage:rw`. */
  readonly revokers: () => readonly string[];
  /** Asked once the store is open; undefined where nothing can be kept. */
  readonly memory: () => FleetMemory | undefined;
  readonly logger: Logger;
}

/** How what a fleet revokes is followed, for people to read. */
export interface FleetStatus {
  /** Seconds since it was read to its end; Infinity before it ever was. */
  readonly ageSeconds: number;
  /** Whether the last attempt to read it went well. */
  readonly connected: boolean;
  /** Statements that were believed since it is followed. */
  readonly applied: number;
}

/** What a fleet revokes without an authority (docs/protocol.md, section 9.5): a `RedisRevocations` of `@authmesh/sdk/redis`. */
export interface DeviceRevocations {
  /** The trust store, less whom the fleet revoked. */
  over(scene: RevocationScene): TrustStore & { ready(): Promise<void> };
}
