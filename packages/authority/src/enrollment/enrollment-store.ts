import type { FeedChange } from "@authmesh/oath/feed";
import type { StateChange } from "../state-event.js";
import type { Enrollment, EnrollmentStatus } from "./enrollment.js";

export interface Account {
  /** "@acme" */
  readonly name: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly email?: string;
  /** The public half of the key that is derived from its secret, base64url; absent once that is dead for good. */
  readonly secretKey?: string;
  /** Unix seconds. */
  readonly secretExpiresAt?: number;
  /** The master enrollment that burnt the secret, until it was used. */
  readonly onboardedBy?: string;
}

export interface Invitation {
  /** `in_` and 16 characters of base64url: not the secret. */
  readonly id: string;
  readonly account: string;
  /** HMAC of the secret under the server's key, base64url. */
  readonly digest: string;
  readonly kind: "passcode" | "invitation";
  /** The enrollment that made it. */
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly usesLeft: number;
  /** The ceiling; absent of a passcode, which has none. */
  readonly scopes?: Enrollment["scopes"];
  readonly autoApprove: boolean;
}

export interface EnrollmentFilter {
  readonly status?: EnrollmentStatus;
  readonly appName?: string;
  readonly deviceName?: string;
  /** Approved, and not used since then (Unix seconds). */
  readonly usedBefore?: number;
  /** Approved, and ending before then (Unix seconds). */
  readonly expiresBefore?: number;
  readonly limit: number;
  /** The id after which to go on; ids are in order of the request. */
  readonly after?: string;
}

/**
 * One account within one transaction, which holds it: every other writer of the account waits. Nothing that a `find…`
 * gave has changed until the transaction ends.
 */
export interface AccountWork {
  readonly account: Account;
  saveAccount(account: Account): Promise<void>;

  find(id: string): Promise<Enrollment | undefined>;
  /** Of the whole authority: the one that is pending, approved or revoked with this key. */
  findHolder(deviceId: string): Promise<Enrollment | undefined>;
  /** Whether a key was ever revoked, in any account. */
  wasRevoked(deviceId: string): Promise<boolean>;
  findByRequest(requestDigest: string): Promise<Enrollment | undefined>;
  /** Those that are not `id` and have these names, in these states. */
  namesakes(
    of: Pick<Enrollment, "id" | "appName" | "deviceName">,
    states: readonly EnrollmentStatus[],
  ): Promise<readonly Enrollment[]>;
  /** Approved ones that these approved. */
  approvedBy(ids: readonly string[]): Promise<readonly Enrollment[]>;
  /** Approved, not expiring, in `scopes` of which `*` and `__manage` are rw: candidates for roots. */
  unending(): Promise<readonly Enrollment[]>;
  countPending(): Promise<number>;
  insert(enrollment: Enrollment): Promise<void>;
  update(enrollment: Enrollment): Promise<void>;
  delete(id: string): Promise<void>;

  findInvitation(digest: string): Promise<Invitation | undefined>;
  saveInvitation(invitation: Invitation): Promise<void>;
  deleteInvitation(id: string): Promise<void>;

  replaceRecovery(digests: readonly string[]): Promise<void>;
  /** @returns whether it was there */
  burnRecovery(digest: string): Promise<boolean>;

  /** Written with the change, told to the audit after it. */
  tell(...changes: readonly StateChange[]): Promise<void>;
  /** Changes of the account's feed, and of `tokens`; one delta each, written with the change. */
  publish(feed: string, changes: readonly FeedChange[]): Promise<void>;
}

/** Accounts and enrollments in the database. Everything rejects with `database_unavailable` when it cannot be used. */
export interface EnrollmentStore {
  /** @returns false where the name is taken */
  createAccount(account: Account): Promise<boolean>;
  accounts(): Promise<readonly Account[]>;

  /**
   * One transaction on one account: read, check, write. What `change` throws undoes everything.
   *
   * @returns undefined where there is no such account
   */
  changeAccount<T>(name: string, change: (work: AccountWork) => Promise<T>): Promise<T | undefined>;

  readEnrollment(account: string, id: string): Promise<Enrollment | undefined>;
  /** Of all accounts: the latest with this key. */
  readByDevice(deviceId: string): Promise<Enrollment | undefined>;
  listEnrollments(account: string, filter: EnrollmentFilter): Promise<readonly Enrollment[]>;
  listInvitations(account: string): Promise<readonly Invitation[]>;
  /** Last uses, written in batches and in no transaction with anything. */
  noteUses(uses: ReadonlyMap<string, number>): Promise<void>;
  /** Accounts that have enrollments past their end (Unix seconds), to be lapsed. */
  accountsWithLapsed(now: number): Promise<readonly string[]>;
}
