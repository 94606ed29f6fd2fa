import type { TrustStore } from "@authmesh/core";
import type { Logger } from "./logger.js";

/** Where a verifier stands that takes revocations of a fleet into account. */
export interface RevocationScene {
  /** Whom this machine accepts otherwise, and who of them may revoke. */
  readonly trust: TrustStore;
  /** Opens that store; resolves, never rejects. */
  readonly ready: () => Promise<void>;
  /** Device ids that are believed beside the entries with `__manage:rw`. */
  readonly revokers: () => readonly string[];
  readonly logger: Logger;
}

/** What a fleet revokes without an authority (docs/protocol.md, section 9.5): a `RedisRevocations` of `@authmesh/sdk/redis`. */
export interface DeviceRevocations {
  /** The trust store, less whom the fleet revoked. */
  over(scene: RevocationScene): TrustStore & { ready(): Promise<void> };
}
