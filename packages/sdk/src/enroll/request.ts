import type { Scopes } from "@authmesh/core";
import type { CreatedIdentity } from "@authmesh/keystore";
import type { EnrollOptions, NewMachineOptions } from "./options.js";
import type { EnrollmentStatus } from "./told.js";

export interface RequestEnrollmentOptions extends NewMachineOptions {
  /** At least one grant: `{ orders: "rw", profile: "r" }`. */
  readonly scopes: Scopes;
  /** Seconds, 60 to 315,360,000. Default: no end. */
  readonly lifetimeSeconds?: number | undefined;
  /** A passcode or an invitation. Not needed to go on with a request that stands already. */
  readonly passcode?: string | undefined;
}

export interface RequestedEnrollment {
  readonly dir: string;
  readonly id: string;
  /** `approved` at once by an invitation that approves by itself. */
  readonly status: EnrollmentStatus;
  /** Six digits, for people to compare with those the approver sees. */
  readonly comparisonCode: string;
  /** Whether it is one that stood already: asked for by this machine with the same names, scopes and lifetime. */
  readonly resumed: boolean;
  /** What is to be told of an identity that was made; absent where there was one. */
  readonly created?: CreatedIdentity;
}

/**
 * Asks for this machine to be enrolled (docs/protocol.md, section 10.6), and resolves as soon as the request stands. Makes this machine's
 * identity where there is none. Asked again with the same options it goes on with the same request, also after a restart.
 *
 * @throws AmeshError `passcode_refused`, `enrollment_key_in_use`, `invalid_enrollment_name`, `invalid_scope`, `input_required` where a passcode
 * is needed, `rate_limited`, `authority_unreachable`, and what `createIdentity` or `openIdentity` throws
 */
export declare function requestEnrollment(options: RequestEnrollmentOptions): Promise<RequestedEnrollment>;

/** Withdraws this machine's pending request. @throws AmeshError `enrollment_state`, `enrollment_not_found`, `challenge_refused`, `authority_unreachable` */
export declare function cancelEnrollment(options?: EnrollOptions): Promise<void>;
