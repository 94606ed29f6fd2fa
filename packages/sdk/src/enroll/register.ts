import type { EnrollOptions } from "./options.js";

export interface RegisterOptions extends EnrollOptions {
  readonly authority: string;
  /** "@acme" */
  readonly account: string;
  /** Where the activation code is sent. */
  readonly email: string;
}

export interface ActivateOptions extends EnrollOptions {
  readonly authority: string;
  readonly account: string;
  /** Out of the mail. */
  readonly code: string;
}

/** The secret by which an account is claimed; the authority tells it this once. */
export interface ActivatedAccount {
  readonly account: string;
  /** For `onboard`. */
  readonly secret: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/**
 * Asks an authority for an account (docs/protocol.md, section 10.4). What comes of it is told by mail alone.
 *
 * @throws AmeshError `registration_closed`, `invalid_enrollment_name`, `rate_limited`, `authority_unreachable`
 */
export declare function register(options: RegisterOptions): Promise<void>;

/** Trades the activation code for the account's secret. @throws AmeshError `activation_refused`, and as `register` */
export declare function activate(options: ActivateOptions): Promise<ActivatedAccount>;
