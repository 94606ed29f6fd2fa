import { AmeshError, createSuccession } from "@authmesh/core";
import {
  type DeviceEntry,
  finishMigration,
  type Identity,
  identityFolder,
  type NewKeyOptions,
  type PreparedMigration,
  prepareRotation,
  readMigration,
  type Warning,
} from "@authmesh/keystore";
import { answerChallenge } from "./answer-challenge.js";
import { type AttestOptions, attestKey } from "./attest-key.js";
import { openMachine } from "./enrolled-machine.js";
import type { EnrollOptions } from "./options.js";

export interface RotateKeyOptions extends EnrollOptions, NewKeyOptions, AttestOptions {
  /** Name of the key store for the new key. Default: the one of the present key. */
  readonly backend?: string | undefined;
  /**
   * Rotate although this machine calls others by pairing, which know the present key alone and will refuse the new one.
   * Default false.
   */
  readonly leaveTargets?: boolean | undefined;
}

export interface RotatedKey {
  readonly dir: string;
  /** In use now. */
  readonly identity: Identity;
  /** Its key is kept until `forgetPrevious` of @authmesh/keystore. */
  readonly previous: Identity;
  /** Those that were left behind, see `leaveTargets`. */
  readonly targets: readonly DeviceEntry[];
  readonly warnings: readonly Warning[];
}

/**
 * Gives this machine another key, and its enrollment with it (docs/protocol.md, sections 10.6 and 11.15): the present key names the
 * new one, and the new one proves that it is held. Killed at any instant it goes on when it is called again.
 *
 * @throws AmeshError `enrollment_revoked` and the like unless approved, `challenge_refused`, `attestation_required`, `migration_unfinished`, also where targets would be left,
 * `service_unreachable`, and what
 * `prepareMigration` and `finishMigration` throw
 */
export async function rotateKey(options: RotateKeyOptions = {}): Promise<RotatedKey> {
  const { stage } = readMigration(identityFolder(options));
  // Going over has begun only once the authority knew.
  const prepared = stage === "finishing" ? undefined : await prepareRotation(options);
  if (prepared !== undefined) await tellAuthority(prepared, options);
  const { targets = [], warnings = [] } = prepared ?? {};
  return { ...(await finishMigration(options)), targets, warnings };
}

async function tellAuthority(
  { open, next, targets }: PreparedMigration,
  options: RotateKeyOptions,
): Promise<void> {
  if (targets.length > 0 && options.leaveTargets !== true) throw wouldLeave(targets);
  const machine = await openMachine(options);
  const succession = await createSuccession(open, next.publicKey, options.now);
  const evidence = await attestKey(machine.authority, next, options);
  // Who lost the answer asks again, and is told that it is done.
  await answerChallenge(
    machine,
    "rotate",
    (answer, authority) =>
      authority.ask("POST", "/v1/enrollments/rotation", { succession, answer, ...evidence }),
    next,
  );
}

const wouldLeave = (targets: readonly DeviceEntry[]): AmeshError =>
  new AmeshError(
    "migration_unfinished",
    `A new key is made, and this machine calls ${targets.length} others that know the present one alone.`,
    {
      fix: "Have them know it first (`amesh init --migrate` shows how), or leave them: --leave-targets (leaveTargets).",
    },
  );
