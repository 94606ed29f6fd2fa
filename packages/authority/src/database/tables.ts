import type { Kysely, Transaction } from "kysely";
import type { KeyState } from "../keys/signing-key.js";

/** What the authority keeps (docs/protocol.md, section 8.9). Times are Unix seconds unless it says otherwise. */
export interface Tables {
  readonly generations: GenerationTable;
  readonly devices: DeviceTable;
  readonly revoked_devices: RevokedDeviceTable;
  readonly signing_keys: SigningKeyTable;
  readonly revocations: RevocationTable;
  readonly nonces: NonceTable;
  readonly state_events: StateEventTable;
  readonly settings: SettingTable;
  readonly feeds: FeedTable;
  readonly feed_deltas: FeedDeltaTable;
}

/** What rises with every change of one area. */
export type Area = "devices" | "keys" | "revocations";

interface GenerationTable {
  readonly area: Area;
  readonly value: number;
}

interface DeviceTable {
  readonly device_id: string;
  readonly role: string;
  /** A `DeviceEntry` of @authmesh/keystore, in JSON. */
  readonly entry: string;
}

interface RevokedDeviceTable {
  readonly device_id: string;
  /** A `Tombstone` of @authmesh/keystore, in JSON. */
  readonly entry: string;
}

interface SigningKeyTable {
  readonly kid: string;
  readonly state: KeyState;
  readonly since: number;
  readonly created_at: number;
  /** A `PublicJwk` in JSON. */
  readonly public_jwk: string;
  readonly sealed: string | null;
}

interface RevocationTable {
  readonly by: string;
  readonly value: string;
  readonly reason: string;
  readonly actor: string;
  readonly at: number;
  readonly expires_at: number | null;
  readonly removed: number;
  readonly generation: number;
}

interface NonceTable {
  /** SHA-256 of the nonce, in base64url. */
  readonly digest: string;
  readonly expires_at: number;
}

/** What no audit was told yet. */
interface StateEventTable {
  readonly id: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** A `StateEvent` in JSON, without these two. */
  readonly event: string;
}

interface SettingTable {
  readonly name: string;
  readonly value: string;
}

/** Where each trust feed stands (docs/protocol.md, section 9.1). */
interface FeedTable {
  readonly feed: string;
  readonly epoch: number;
  readonly number: number;
  /** 32 bytes, base64url. */
  readonly digest: string;
}

interface FeedDeltaTable {
  readonly feed: string;
  readonly epoch: number;
  readonly number: number;
  /** The digest of the state that it follows. */
  readonly before: string;
  /** `FeedChange`s in canonical JSON. */
  readonly changes: string;
  readonly at: number;
}

export type Database = Kysely<Tables>;
export type Work = Transaction<Tables>;
