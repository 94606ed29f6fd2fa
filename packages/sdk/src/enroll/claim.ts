import { AmeshError, randomBytes, toBase64Url } from "@authmesh/core";
import {
  type AccountClaim,
  accountSecretKey,
  isAccountSecret,
  newRecoveryCode,
  readRecoveryCode,
  recoveryDigest,
  signableClaimOf,
} from "@authmesh/core/enrollment";
import { type CreatedIdentity, withEnrollment } from "@authmesh/keystore";
import { askForChallenge } from "./answer-challenge.js";
import { type NewMachine, openNewMachine } from "./new-machine.js";
import type { NewMachineOptions } from "./options.js";
import { mayPass } from "./patience.js";
import { type EnrollmentInfo, enrollmentInfo, readMember } from "./told.js";

export interface ClaimOptions extends NewMachineOptions {
  /**
   * Is given the new recovery codes before anything is sent: once it resolves they are kept, whatever becomes of the answer. Where it
   * rejects the call does, and nothing was sent. Default: they are in the result alone.
   */
  readonly keepRecoveryCodes?: ((codes: readonly string[]) => Promise<void>) | undefined;
}

export interface OnboardOptions extends ClaimOptions {
  /** The account's secret, `amesh_once_…`: never from a command line. */
  readonly secret: string;
}

export interface RecoverOptions extends ClaimOptions {
  /** A recovery code, however a person writes it. */
  readonly code: string;
}

/** This machine is a root of its account now. */
export interface ClaimedAccount {
  readonly dir: string;
  readonly enrollment: EnrollmentInfo;
  /** By each of them the account can be claimed once more; eight after onboarding. They are nowhere else: keep them. */
  readonly recoveryCodes: readonly string[];
  /** What is to be told of an identity that was made; absent where there was one. */
  readonly created?: CreatedIdentity;
}

/**
 * Claims an account by its first secret: makes this machine's identity where there is none, then its master enrollment
 * (docs/protocol.md, section 10.4). The key is durable before anything is sent. Where the answer is lost, a machine that had no
 * enrollment looks whether it has one now. Otherwise ask again, from the same folder and with the same secret; the recovery codes
 * are new ones then, and the old ones are good for nothing.
 *
 * @throws AmeshError `onboarding_refused`, `enrollment_key_in_use`, `invalid_enrollment_name`, `rate_limited`,
 * `service_unreachable`, and what `createIdentity` or `openIdentity` throws
 */
export async function onboard(options: OnboardOptions): Promise<ClaimedAccount> {
  const { secret } = options;
  if (!isAccountSecret(secret))
    throw new AmeshError(
      "onboarding_refused",
      "This is not the secret of an account: those begin with amesh_once_.",
    );
  const machine = await openNewMachine(options);
  const secretKey = accountSecretKey(secret, machine.account);
  return claim("onboard", machine, options, "/v1/onboarding", (claimed, s2) => ({
    s1: toBase64Url(secretKey.sign(signableClaimOf("onboard", claimed))),
    s2,
  }));
}

/** As `onboard`, by a recovery code. @throws AmeshError `recovery_refused`, and as `onboard` */
export async function recover(options: RecoverOptions): Promise<ClaimedAccount> {
  const code = readRecoveryCode(options.code);
  if (code === undefined)
    throw new AmeshError(
      "recovery_refused",
      "This is not a recovery code: those have 26 letters and digits.",
    );
  const machine = await openNewMachine(options);
  return claim("recover", machine, options, "/v1/recovery", (_, signature) => ({ code, signature }));
}

const recoveryCodes = 8;

async function claim(
  by: "onboard" | "recover",
  { open, authority, created, ...names }: NewMachine,
  options: ClaimOptions,
  path: string,
  proofOf: (claimed: AccountClaim, signature: string) => object,
): Promise<ClaimedAccount> {
  const { account, appName, deviceName } = names;
  const { random = randomBytes, keepRecoveryCodes } = options;
  const { publicKey, dir } = open;
  const codes = Array.from({ length: recoveryCodes }, () => newRecoveryCode(random));
  const details = { appName, deviceName, recovery: codes.map(recoveryDigest) };
  // Before the challenge, which waits for no person.
  await keepRecoveryCodes?.(codes);
  const { origin } = authority;
  const claim = async (): Promise<EnrollmentInfo> => {
    const challenge = await askForChallenge(authority, by, publicKey);
    const claimed = { origin, account, challenge, publicKey: publicKey.bytes, details };
    const proof = proofOf(claimed, toBase64Url(await open.sign(signableClaimOf(by, claimed))));
    const body = { account, publicKey: publicKey.base64, challenge, details, ...proof };
    return readMember(await authority.ask("POST", path, body), "enrollment", enrollmentInfo);
  };
  // The answer alone may have been lost: the same claim again gets it, and the codes above count.
  const enrollment = await claim().catch((error: unknown) => {
    if (mayPass(error)) return claim();
    throw error;
  });
  const remembered = {
    authority: authority.url,
    account,
    id: enrollment.id,
    appName,
    deviceName,
    status: "approved",
  } as const;
  await withEnrollment(dir, ({ record, save }) => save({ ...record, enrollment: remembered }));
  return { dir, enrollment, recoveryCodes: codes, ...(created && { created }) };
}
