import type { PublicKey, Scopes } from "@authmesh/core";
import type { AccountClaim, EnrollmentRequest } from "@authmesh/core/enrollment";
import type { Attestation, Enrollment } from "./enrollment.js";
import type { Account, EnrollmentFilter, Invitation } from "./enrollment-store.js";

/** An enrollment that acts, proven by its key. */
export type Actor = Pick<Enrollment, "account" | "id">;

/** What is done to one enrollment (docs/protocol.md, section 10.2). `lifetime` in seconds from now. */
export type EnrollmentDecision = { readonly id: string } & (
  | { readonly type: "approve"; readonly scopes?: Scopes; readonly lifetime?: number }
  | { readonly type: "deny"; readonly reason?: string }
  | { readonly type: "revoke"; readonly reason?: string; readonly cascade?: boolean }
  | { readonly type: "unrevoke" }
  | { readonly type: "narrow"; readonly scopes: Scopes }
  | { readonly type: "extend"; readonly lifetime?: number }
  | { readonly type: "delete" }
);

/** The secret is told this once. */
export interface NewAccount {
  readonly account: string;
  readonly secret: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What the tables of enrollment allow, over the database. Every method is one transaction. */
export interface Enrollments {
  /**
   * Makes an account. One that waits for its first machine gets another secret: where that of before is over, and for the
   * address that it was made for, since its only answer may have been lost.
   *
   * @returns undefined where the name is taken
   */
  createAccount(name: string, email?: string): Promise<NewAccount | undefined>;

  /**
   * Burns the secret and makes the master enrollment. Whoever calls has checked the challenge and the signature of the
   * device's key; that of the secret's key is checked here.
   *
   * @throws AmeshError `onboarding_refused`, `enrollment_key_in_use`
   */
  onboard(claim: ClaimOfKey, secretSignature: Uint8Array): Promise<Enrollment>;
  /**
   * Burns a recovery code and makes a further master enrollment. The same key gets the same one again by the same code until
   * that was used.
   *
   * @throws AmeshError `recovery_refused`, `enrollment_key_in_use`, `enrollment_name_taken`
   */
  recover(claim: ClaimOfKey, code: string): Promise<Enrollment>;

  /**
   * Takes a request in; with an invitation that approves by itself it is approved at once. The signature was checked by
   * whoever calls. The same request again gives what there is.
   *
   * @throws AmeshError `passcode_refused`, `enrollment_key_in_use`
   */
  request(request: EnrollmentRequest, passcode: string, from: RequestOrigin): Promise<Enrollment>;
  cancel(by: Actor): Promise<void>;
  /**
   * Another key in the place of the present one; both were shown to be held.
   *
   * @param attestation what was found of the other key. Default: nothing
   * @throws AmeshError `enrollment_key_in_use`; `attestation_required` where that is, in place of a key that was proven
   */
  rotate(by: Actor, to: PublicKey, attestation?: Attestation): Promise<Enrollment>;

  /**
   * Takes note of the counter of an answer whose signature was right.
   *
   * @returns the enrollment as it is now, whatever its state; undefined where the key has none
   * @throws AmeshError `enrollment_revoked` where the counter shows a clone, which locks the enrollment;
   * `challenge_refused` where it is the last root, which stays
   */
  answered(deviceId: string, counter: number): Promise<Enrollment | undefined>;

  /**
   * @param dryRun tells what would change, and changes nothing
   * @returns those that changed, the named one first, as they are now; of a deleted one as it was
   * @throws AmeshError `enrollment_not_found`, `enrollment_state`, `enrollment_self`, `last_root`, `approval_exceeds`,
   * `enrollment_name_taken`, `attestation_required`
   */
  decide(by: Actor, decision: EnrollmentDecision, dryRun?: boolean): Promise<readonly Enrollment[]>;

  /** @throws AmeshError `approval_exceeds` for who may not manage, here and below */
  createPasscode(by: Actor): Promise<{ readonly passcode: string; readonly expiresAt: number }>;
  createInvitation(
    by: Actor,
    of: {
      readonly scopes: Scopes;
      readonly uses: number;
      readonly lifetime: number;
      readonly autoApprove: boolean;
    },
  ): Promise<{ readonly invitation: Invitation; readonly secret: string }>;
  deleteInvitation(by: Actor, id: string): Promise<void>;
  invitations(by: Actor): Promise<readonly Invitation[]>;

  list(by: Actor, filter: EnrollmentFilter): Promise<readonly Enrollment[]>;
  show(
    by: Actor,
    id: string,
  ): Promise<{ readonly enrollment: Enrollment; readonly conflicts: readonly Enrollment[] }>;

  /**
   * Writes of some that are past their end that they are expired; to be called now and then, and again where there are more.
   * Whatever was not written yet counts as expired all the same.
   *
   * @returns whether there may be more
   */
  lapse(): Promise<boolean>;
  /** Last uses (Unix seconds) by enrollment; to be called now and then, with many at a time. */
  noteUses(uses: ReadonlyMap<string, number>): Promise<void>;
  accounts(): Promise<readonly Account[]>;
  /** Whether `createAccount` would make it; `awaited` where an address asks again for its own. */
  accountFor(name: string, email: string): Promise<"free" | "awaited" | "taken">;

  /**
   * Called with each change that was made by this process or seen in the database.
   *
   * @param listener `isGone` of one that was cancelled or deleted, which only the process tells that did it
   * @returns what ends that
   */
  onChange(listener: EnrollmentListener): () => void;
  /** Looks for changes of other processes, and calls the listeners. */
  refresh(): Promise<void>;
}

export type EnrollmentListener = (enrollment: Enrollment, isGone: boolean) => void;

export type ClaimOfKey = Omit<AccountClaim, "publicKey"> & {
  readonly publicKey: PublicKey;
  readonly address: string;
};

export interface RequestOrigin {
  readonly address: string;
  readonly attestation: Attestation;
}
