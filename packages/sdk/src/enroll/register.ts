import { accountName, accountText } from "@authmesh/core/enrollment";
import { text, time } from "@authmesh/core/records";
import { AuthorityClient } from "./authority-client.js";
import { checkedMailAddress } from "./limits.js";
import type { EnrollOptions } from "./options.js";
import { readMembers } from "./told.js";

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
 * @throws AmeshError `registration_closed`, `invalid_enrollment_name`, `invalid_option`, `rate_limited`, `service_unreachable`
 */
export async function register(options: RegisterOptions): Promise<void> {
  const { authority } = options;
  const account = accountName(options.account);
  const email = checkedMailAddress(options.email);
  await new AuthorityClient(authority, options).ask("POST", "/v1/accounts", { account, email });
}

/** Trades the activation code for the account's secret. @throws AmeshError `activation_refused`, and as `register` */
export async function activate(options: ActivateOptions): Promise<ActivatedAccount> {
  const { authority, code } = options;
  const account = accountName(options.account);
  const client = new AuthorityClient(authority, options);
  const answer = await client.ask("POST", "/v1/accounts/activation", { account, code });
  return readMembers(answer, {
    account: accountText,
    secret: text(/^amesh_once_[\w-]{43}$/, "the secret of an account"),
    expiresAt: time,
  });
}
