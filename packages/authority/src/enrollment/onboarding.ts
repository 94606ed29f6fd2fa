import { AmeshError, Ed25519PublicKey, fromBase64Url, type Random, toBase64Url } from "@authmesh/core";
import {
  accountSecretKey,
  newAccountSecret,
  readRecoveryCode,
  recoveryDigest,
  signableClaimOf,
} from "@authmesh/core/enrollment";
import { assertNameIsFree } from "./decision.js";
import type { Enrollment } from "./enrollment.js";
import type { Account, AccountWork } from "./enrollment-store.js";
import type { ClaimOfKey, NewAccount } from "./enrollments.js";
import { masterEnrollment } from "./new-enrollment.js";
import { record } from "./record.js";

/** How long the secret of an account is good, in seconds. */
const secretLife = 7 * 86_400;

/** @param now Unix seconds */
export function draftAccount(
  name: string,
  email: string | undefined,
  random: Random,
  now: number,
): { readonly account: Account; readonly told: NewAccount } {
  const secret = newAccountSecret(random);
  const expiresAt = now + secretLife;
  const secretKey = toBase64Url(accountSecretKey(secret, name).publicKey.bytes);
  return {
    account: {
      name,
      createdAt: now,
      ...(email === undefined ? {} : { email }),
      secretKey,
      secretExpiresAt: expiresAt,
    },
    told: { account: name, secret, expiresAt },
  };
}

/** Whether nobody came for it while its secret was good: the name is free again. */
export const isForsaken = ({ onboardedBy, secretKey, secretExpiresAt = 0 }: Account, now: number): boolean =>
  onboardedBy === undefined && secretKey !== undefined && secretExpiresAt <= now;

/** Whether it still waits for its first machine, at somebody's address: who reads the mail there may have another secret. */
export const isAwaitedAt = (
  { onboardedBy, secretKey, email }: Account,
  address: string | undefined,
): boolean =>
  onboardedBy === undefined && secretKey !== undefined && email !== undefined && email === address;

/** The secret is dead for good once the enrollment that burnt it was used. */
export async function retireSecret(work: AccountWork, usedBy: string): Promise<void> {
  const { onboardedBy, secretKey: _, secretExpiresAt: __, ...account } = work.account;
  if (onboardedBy === usedBy) await work.saveAccount(account);
}

/** @throws AmeshError `onboarding_refused`, `enrollment_key_in_use` */
export async function onboard(
  work: AccountWork,
  claim: ClaimOfKey,
  signature: Uint8Array,
  random: Random,
  now: number,
): Promise<Enrollment> {
  const { account } = work;
  if (!isProven(account, claim, signature, now)) throw new AmeshError("onboarding_refused");
  if (account.onboardedBy !== undefined) {
    const master = await work.find(account.onboardedBy);
    if (master === undefined || !isStillNew(master) || master.deviceId !== claim.publicKey.deviceId)
      throw new AmeshError("onboarding_refused");
    await work.replaceRecovery(claim.details.recovery);
    return master;
  }
  const master = masterEnrollment(claim, random, now);
  await claimKey(work, master);
  await work.replaceRecovery(claim.details.recovery);
  await record(work, "account.onboarded", { before: undefined, after: master });
  await work.saveAccount({ ...account, onboardedBy: master.id });
  return master;
}

/** The base point: what proofs are verified by where there is no secret, so that they take as long as others. */
const nobodysKey = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY";

/**
 * Whether the key of the account's secret signed the claim, and the secret is good.
 *
 * @param account undefined where there is none of the name, which nobody learns
 * @param now Unix seconds
 */
export function isProven(
  account: Account | undefined,
  { publicKey, ...claim }: ClaimOfKey,
  signature: Uint8Array,
  now: number,
): boolean {
  const { secretKey, secretExpiresAt = 0 } = account ?? {};
  const key = Ed25519PublicKey.fromBytes(fromBase64Url(secretKey ?? nobodysKey) ?? new Uint8Array());
  const isSigned = key.verify(
    signableClaimOf("onboard", { ...claim, publicKey: publicKey.bytes }),
    signature,
  );
  return isSigned && secretKey !== undefined && now < secretExpiresAt;
}

const isStillNew = ({ status, counter, lastUsedAt }: Enrollment): boolean =>
  status === "approved" && counter === 0 && lastUsedAt === undefined;

/**
 * Burns a recovery code. The master enrollment that it makes has the code's digest as that of its request, so that the same
 * key with the same code gets it again while it is new: its answer may have been lost.
 *
 * @throws AmeshError `recovery_refused`, `enrollment_key_in_use`, `enrollment_name_taken`
 */
export async function recover(
  work: AccountWork,
  claim: ClaimOfKey,
  code: string,
  random: Random,
  now: number,
): Promise<Enrollment> {
  const one = readRecoveryCode(code);
  if (one === undefined) throw new AmeshError("recovery_refused");
  const digest = recoveryDigest(one);
  const { recovery } = claim.details;
  const made = await work.findByRequest(digest);
  if (made !== undefined && isStillNew(made) && made.deviceId === claim.publicKey.deviceId) {
    if (recovery.length > 0) await work.replaceRecovery(recovery);
    return made;
  }
  if (!(await work.burnRecovery(digest))) throw new AmeshError("recovery_refused");
  const master = { ...masterEnrollment(claim, random, now), requestDigest: digest };
  await claimKey(work, master);
  await assertNameIsFree(work, master, now);
  if (recovery.length > 0) await work.replaceRecovery(recovery);
  await record(work, "account.recovered", { before: undefined, after: master });
  return master;
}

/** @throws AmeshError `enrollment_key_in_use` */
export async function claimKey(work: AccountWork, { deviceId, id }: Enrollment): Promise<void> {
  if (!(await work.claimKey(deviceId, id))) throw new AmeshError("enrollment_key_in_use");
}
