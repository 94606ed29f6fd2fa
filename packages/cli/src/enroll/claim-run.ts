import { AmeshError, type ErrorCode } from "@authmesh/core";
import { backupPassphrase, exportIdentity, openIdentity } from "@authmesh/keystore";
import type { ClaimedAccount } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment, authorityUrlOption } from "../authority/authority-url.js";
import { backupEnvironment } from "../backup-environment.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { OptionManual, Row } from "../manual.js";
import { formatEnrollment } from "./describe.js";
import { newMachineOptions, tellCreated } from "./new-machine.js";
import { keeperOfRecoveryCodes, type RecoveryCodesKeeper, recoveryCodesOption } from "./recovery-codes.js";

/** What `amesh onboard` and `amesh recover` share: this machine becomes a root of its account. */

export const claimOptions: readonly OptionManual[] = [
  recoveryCodesOption,
  { flags: "--app NAME", about: "what the enrollment's app is called (default amesh)" },
  ...newMachineOptions,
  authorityUrlOption,
];

export const claimEnvironment: readonly Row[] = [
  authorityUrlEnvironment,
  ...backupEnvironment,
  ...keyStoreEnvironment,
];

/** @param what the authority is shown */
export const claimExit = (what: "secret" | "code"): readonly Row[] => [
  ["0", "this machine is a root of the account"],
  ["1", "the key has an enrollment already, a file or key store cannot be used, or the codes were not kept"],
  ["2", "the command line cannot be read, or an answer is needed and nobody can be asked"],
  ["3", `the authority does not accept the ${what}`],
  ["4", "a passphrase, a PIN or a package is missing"],
  ["5", "the authority cannot be reached"],
];

/**
 * Claims the account, and sees that recovery codes and a backup are kept: the codes before the authority learns of them.
 *
 * @param claim is called once it is known where the codes go
 */
export async function runClaim(
  call: Call,
  claim: (keepRecoveryCodes: RecoveryCodesKeeper["keep"]) => Promise<ClaimedAccount>,
): Promise<void> {
  const { terminal } = call;
  const { keep, discard } = keeperOfRecoveryCodes(call);
  const { dir, enrollment, created } = await claim(keep).catch((error: unknown) => {
    if (isRefusal(error)) discard();
    throw error;
  });
  tellCreated(terminal, created);
  terminal.answer({ dir, enrollment }, () =>
    done(`This machine is a root of ${enrollment.account}: ${formatEnrollment(enrollment)}.`),
  );
  const backedUp = await offerBackup(call, dir);
  terminal.next(
    `${backedUp ? "" : "amesh identity export FILE, to back up the key; then "}amesh enroll passcode`,
  );
}

/** With any other error the authority may have taken the codes. */
const refusals: readonly ErrorCode[] = [
  "onboarding_refused",
  "recovery_refused",
  "enrollment_key_in_use",
  "enrollment_name_taken",
  "rate_limited",
];

const isRefusal = (error: unknown): boolean => error instanceof AmeshError && refusals.includes(error.code);

/** A key that hardware keeps has no backup: a second root does its work. @returns whether nothing is left to back up */
async function offerBackup({ terminal }: Call, dir: string): Promise<boolean> {
  const { questions } = terminal;
  const open = await openIdentity({ dir, promptSecret: questions.secret });
  if (open.keyStore.exportKey === undefined) return true;
  if (!(await questions.agrees("Back up this machine's key to a file?"))) return false;
  const path = await questions.line("File: ", "Run `amesh identity export FILE`.");
  await exportIdentity(open, {
    path,
    passphrase: () => backupPassphrase({ promptSecret: questions.newSecret }),
  });
  terminal.note(done(`The key is backed up in ${path}.`));
  return true;
}
