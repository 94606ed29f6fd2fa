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

/** One enrollment before and after; undefined where it was not, or is no more. */
export interface EnrollmentChange {
  readonly before: Enrollment | undefined;
  readonly after: Enrollment | undefined;
}

/**
 * One account within one transaction, which holds it: every other writer of the account waits. Nothing that a `find…`
 * gave has changed until the transaction ends.
 */
export interface AccountWork {
  readonly account: Account;
  saveAccount(account: Account): Promise<void>;

  find(id: string): Promise<Enrollment | undefined>;
  findByRequest(requestDigest: string): Promise<Enrollment | undefined>;
  /** The others with the same app and device. */
  namesakes(of: Enrollment): Promise<readonly Enrollment[]>;
  /** Until when (Unix seconds) the revocation of an enrollment with the same app and device withdraws the tokens of both. */
  withdrawnUntil(of: Enrollment, now: number): Promise<number | undefined>;
  /** Those that these approved, whatever their state is. */
  approvedBy(ids: readonly string[]): Promise<readonly Enrollment[]>;
  /** Ids of the account's roots. */
  roots(): Promise<readonly string[]>;
  /** Those that are pending and not past their end. @param now Unix seconds */
  countPending(now: number): Promise<number>;
  /** At most so many that are past their end, in no order. @param now Unix seconds */
  lapsed(now: number, limit: number): Promise<readonly Enrollment[]>;

  /**
   * Makes a key that of an enrollment.
   *
   * @returns false where it is that of another one, of any account, or may never be one's again
   */
  claimKey(deviceId: string, enrollment: string): Promise<boolean>;
  /** The key of a new enrollment, or of one that it changed from, was claimed before. */
  write(change: EnrollmentChange): Promise<void>;

  findInvitation(digest: string): Promise<Invitation | undefined>;
  /** Those that are good at `now`, in Unix seconds. */
  invitations(now: number): Promise<readonly Invitation[]>;
  saveInvitation(invitation: Invitation): Promise<void>;
  /** @returns whether it was there */
  deleteInvitation(id: string): Promise<boolean>;

  replaceRecovery(digests: readonly string[]): Promise<void>;
  /** @returns whether it was there */
  burnRecovery(digest: string): Promise<boolean>;

  /** Written with the change, told to the audit after it. */
  tell(...changes: readonly StateChange[]): Promise<void>;
}

/** Accounts and enrollments in the database. Everything rejects with `database_unavailable` when it cannot be used. */
export interface EnrollmentStore {
  /** @returns false where the name is taken */
  createAccount(account: Account, ...told: readonly StateChange[]): Promise<boolean>;
  accounts(): Promise<readonly Account[]>;
  readAccount(name: string): Promise<Account | undefined>;

  /**
   * One transaction on one account: read, check, write. What `change` throws undoes everything. The feeds and the
   * authority's revocations follow what was written.
   *
   * @returns undefined where there is no such account
   */
  changeAccount<T>(name: string, change: (work: AccountWork) => Promise<T>): Promise<T | undefined>;

  readEnrollment(account: string, id: string): Promise<Enrollment | undefined>;
  /** Of all accounts: the one that has this key, or the last that had it. */
  readByDevice(deviceId: string): Promise<Enrollment | undefined>;
  /** The others with the same app and device. */
  readNamesakes(of: Enrollment): Promise<readonly Enrollment[]>;
  /** As the clock has them. @param now Unix seconds */
  listEnrollments(account: string, filter: EnrollmentFilter, now: number): Promise<readonly Enrollment[]>;
  /** Of all accounts: those that are approved and not past their end. @param now Unix seconds */
  readLive(now: number): Promise<readonly Enrollment[]>;
  countLive(now: number): Promise<number>;
  listInvitations(account: string, now: number): Promise<readonly Invitation[]>;
  /** What was written after a generation of the area `enrollments`, deletions aside; without one, nothing but where it stands. */
  changedSince(generation: number | undefined): Promise<{
    readonly generation: number;
    readonly enrollments: readonly Enrollment[];
  }>;

  /**
   * Takes note of the counter of an answer by this enrollment's key, in no transaction with anything.
   *
   * @returns false where it is not higher than the last one, or the enrollment has that key no more
   */
  raiseCounter(of: Enrollment, counter: number): Promise<boolean>;
  /** Last uses (Unix seconds, by enrollment), in no transaction with anything. */
  noteUses(uses: ReadonlyMap<string, number>): Promise<void>;

  /** Accounts of so many enrollments that are past their end, and not written as such. @param now Unix seconds */
  accountsWithLapsed(now: number, limit: number): Promise<readonly string[]>;
  /** Drops passcodes and invitations that are over. @param now Unix seconds */
  forgetInvitations(now: number): Promise<void>;
}
