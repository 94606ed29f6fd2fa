import type { Kysely, Transaction } from "kysely";
import type { EnrollmentStatus } from "../enrollment/enrollment.js";
import type { KeyState } from "../keys/signing-key.js";

/** What the authority keeps (docs/protocol.md, section 8.9). Times are Unix seconds unless it says otherwise. */
export interface Tables {
  readonly generations: GenerationTable;
  readonly devices: DeviceTable;
  readonly revoked_devices: RevokedDeviceTable;
  readonly signing_keys: SigningKeyTable;
  readonly revocations: RevocationTable;
  readonly revocation_sources: RevocationSourceTable;
  readonly nonces: NonceTable;
  readonly state_events: StateEventTable;
  readonly settings: SettingTable;
  readonly feeds: FeedTable;
  readonly feed_deltas: FeedDeltaTable;
  readonly accounts: AccountTable;
  readonly recovery_codes: RecoveryCodeTable;
  readonly invitations: InvitationTable;
  readonly enrollments: EnrollmentTable;
  readonly enrollment_keys: EnrollmentKeyTable;
  readonly enrollment_uses: EnrollmentUseTable;
  readonly activations: ActivationTable;
  readonly invited_addresses: InvitedAddressTable;
  readonly feed_entries: FeedEntryTable;
  readonly feed_keys: FeedKeyTable;
}

/** What rises with every change of one area. */
export type Area = "devices" | "keys" | "revocations" | "enrollments" | "feeds";

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

/** The list as it is told: of each name what all of its sources say together. */
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

/** What each source says of a name by itself, and takes back by itself. */
interface RevocationSourceTable {
  readonly by: string;
  readonly value: string;
  readonly source: "operator" | "enrollment";
  readonly reason: string;
  readonly actor: string;
  readonly at: number;
  readonly expires_at: number | null;
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

/** An `Account`; its row is held by whoever changes anything of the account. */
interface AccountTable {
  readonly name: string;
  readonly created_at: number;
  readonly email: string | null;
  readonly secret_key: string | null;
  readonly secret_expires_at: number | null;
  readonly onboarded_by: string | null;
}

interface RecoveryCodeTable {
  readonly account: string;
  readonly digest: string;
}

/** An `Invitation`. */
interface InvitationTable {
  readonly id: string;
  readonly account: string;
  readonly digest: string;
  readonly kind: "passcode" | "invitation";
  readonly created_by: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly uses_left: number;
  /** In JSON. */
  readonly scopes: string | null;
  readonly auto_approve: number;
}

/** An `Enrollment`, but for what changes by being used. */
interface EnrollmentTable {
  readonly id: string;
  readonly account: string;
  readonly app_name: string;
  readonly device_name: string;
  readonly device_id: string;
  readonly public_key: string;
  readonly status: EnrollmentStatus;
  /** In JSON, as the next and `attestation`. */
  readonly scopes: string;
  readonly requested_scopes: string;
  readonly requested_lifetime: number | null;
  readonly requested_at: number;
  readonly address: string;
  readonly request_digest: string;
  readonly s: string;
  readonly expires_at: number | null;
  readonly decided_at: number | null;
  readonly decided_by: string | null;
  readonly approved_by: string | null;
  readonly reason: string | null;
  readonly attestation: string;
  /** 1 of a root, for the question whether one is left. */
  readonly is_root: number;
  /** The generation of the area `enrollments` that wrote it last. */
  readonly changed: number;
}

/** Which enrollment a key is of, and whether it may ever be of another one. */
interface EnrollmentKeyTable {
  readonly device_id: string;
  readonly enrollment: string;
  readonly is_spent: number;
}

/** Of an enrollment's present key. Written in no transaction with the rest: whoever uses it waits for nobody who decides. */
interface EnrollmentUseTable {
  readonly enrollment: string;
  readonly device_id: string;
  readonly counter: number;
  readonly used_at: number | null;
}

/** An `Activation`. */
interface ActivationTable {
  readonly account: string;
  readonly email: string;
  readonly digest: string;
  readonly tries_left: number;
  readonly expires_at: number;
}

/** Who may open an account where only those may whom an operator named. */
interface InvitedAddressTable {
  readonly email: string;
  readonly at: number;
}

/** The state that a feed's deltas add up to. */
interface FeedEntryTable {
  readonly feed: string;
  readonly kind: string;
  readonly id: string;
  /** Canonical JSON. */
  readonly value: string;
}

interface FeedKeyTable {
  /** 1 and up: the last one signs. */
  readonly number: number;
  /** A `PublicJwk` in JSON. */
  readonly public_jwk: string;
  /** Gone once another key signs. */
  readonly sealed: string | null;
  /** By which the key before handed over to this one; null of the first. */
  readonly rotation: string | null;
}

export type Database = Kysely<Tables>;
export type Work = Transaction<Tables>;
