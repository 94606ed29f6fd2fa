import type { DeviceEntry, Identity, NewKeyOptions, Warning } from "@authmesh/keystore";
import type { EnrollOptions } from "./options.js";
import type { EnrollmentInfo } from "./told.js";

export interface RotateKeyOptions extends EnrollOptions, NewKeyOptions {
  /** Name of the key store for the new key. Default: the one of the present key. */
  readonly backend?: string | undefined;
}

export interface RotatedKey {
  readonly dir: string;
  readonly enrollment: EnrollmentInfo;
  /** In use now. */
  readonly identity: Identity;
  /** Its key is kept until `forgetPrevious` of @authmesh/keystore. */
  readonly previous: Identity;
  /** Machines that this one calls by pairing, and which know the previous key alone. */
  readonly targets: readonly DeviceEntry[];
  readonly warnings: readonly Warning[];
}

/**
 * Gives this machine another key, and its enrollment with it (docs/protocol.md, sections 10.6 and 11.15): the present key names the
 * new one, and the new one proves that it is held. Killed at any instant it goes on when it is called again.
 *
 * @throws AmeshError `enrollment_state` unless approved, `challenge_refused`, `migration_unfinished`, `authority_unreachable`, and what
 * `prepareMigration` and `finishMigration` throw
 */
export declare function rotateKey(options?: RotateKeyOptions): Promise<RotatedKey>;
