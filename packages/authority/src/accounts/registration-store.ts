/** A code that was mailed, until it is used or over. */
export interface Activation {
  readonly account: string;
  readonly email: string;
  /** HMAC of the code, see `activationDigest`. */
  readonly digest: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What the database keeps of accounts that are not there yet. Everything rejects with `database_unavailable` when it cannot be used. */
export interface RegistrationStore {
  /** Lets an address open one account. @param at Unix seconds */
  invite(email: string, at: number): Promise<void>;
  isInvited(email: string): Promise<boolean>;
  /** Takes the invitation of an address away, and the codes that were mailed to it. */
  forgetInvited(email: string): Promise<void>;

  /** Keeps a code in the place of the one before of the same account and address. @param now Unix seconds */
  saveActivation(activation: Activation, now: number): Promise<void>;
  /**
   * Uses a code up, and with it every other one of its address. A wrong one counts against all codes of the account.
   *
   * @param now Unix seconds
   * @returns the address that it was mailed to; undefined for a code that is wrong, or over
   */
  useActivation(account: string, digest: string, now: number): Promise<string | undefined>;
}
