import type { ClientTokenOptions } from "../client/token-options.js";
import type { EnrollOptions } from "./options.js";

export interface AuthenticateOptions extends EnrollOptions {
  /**
   * What the token is to be good for, as in `createClient({ token })`. Default: for the authority itself, action
   * `amesh.authenticate`, which needs no scope.
   */
  readonly token?: Omit<ClientTokenOptions, "authority" | "bind" | "proof" | "tokenUse"> | undefined;
}

export interface AuthenticatedMachine {
  /** For `Authorization: OathMesh <token>`. */
  readonly token: string;
  /** From the answer on. */
  readonly expiresInSeconds: number;
  /** `svc://ACCOUNT/APP/DEVICE` */
  readonly subject: string;
}

/**
 * Proves to hold the key of an enrollment, by the answer to a challenge (docs/protocol.md, section 10.3), for a token.
 *
 * @throws AmeshError `enrollment_pending`, `enrollment_denied`, `enrollment_revoked`, `enrollment_expired`;
 * `challenge_refused` where this machine is not enrolled; `authority_unreachable`, and what a token is refused with
 */
export declare function authenticate(options?: AuthenticateOptions): Promise<AuthenticatedMachine>;
