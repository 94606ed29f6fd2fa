import type { CreatedIdentity } from "@authmesh/keystore";
import type { NewMachineOptions } from "./options.js";
import type { EnrollmentInfo } from "./told.js";

export interface OnboardOptions extends NewMachineOptions {
  /** The account's secret, `amesh_once_…`: never from a command line. */
  readonly secret: string;
}

export interface RecoverOptions extends NewMachineOptions {
  /** A recovery code, however a person writes it. */
  readonly code: string;
}

/** This machine is a root of its account now. */
export interface ClaimedAccount {
  readonly dir: string;
  readonly enrollment: EnrollmentInfo;
  /** By each of them the account can be claimed once more; eight after onboarding. They are nowhere else: show them once. */
  readonly recoveryCodes: readonly string[];
  /** What is to be told of an identity that was made; absent where there was one. */
  readonly created?: CreatedIdentity;
}

/**
 * Claims an account by its first secret: makes this machine's identity where there is none, then its master enrollment
 * (docs/protocol.md, section 10.4). The key is durable before anything is sent. Whoever lost the answer asks again, from the same
 * folder and with the same secret; the recovery codes are new ones then, and the old ones are good for nothing.
 *
 * @throws AmeshError `onboarding_refused`, `enrollment_key_in_use`, `invalid_enrollment_name`, `rate_limited`,
 * `authority_unreachable`, and what `createIdentity` or `openIdentity` throws
 */
export declare function onboard(options: OnboardOptions): Promise<ClaimedAccount>;

/** As `onboard`, by a recovery code. @throws AmeshError `recovery_refused`, and as `onboard` */
export declare function recover(options: RecoverOptions): Promise<ClaimedAccount>;
