import type { Enrollment } from "../enrollment/enrollment.js";
import { feedChanges, subjectOf, withdrawal } from "../enrollment/enrollment-effects.js";
import type { Account, AccountWork, EnrollmentChange, Invitation } from "../enrollment/enrollment-store.js";
import type { StateChange } from "../state-event.js";
import * as accounts from "./account-rows.js";
import * as enrollments from "./enrollment-rows.js";
import { publishChanges } from "./feed-rows.js";
import { raiseGeneration } from "./generation-rows.js";
import { removeRevocation, writeRevocation } from "./revocation-rows.js";
import { findSource } from "./revocation-source-rows.js";
import type { Work } from "./tables.js";

/**
 * One account's rows within a transaction that holds the account. What follows from the changes is written at the end, in the
 * order in which every transaction takes its locks: the account's feed, revocations (which publish to the feed `tokens`), the
 * generation of enrollments.
 */
export class SqlAccountWork implements AccountWork {
  readonly account: Account;
  readonly #work: Work;
  /** Unix seconds. */
  readonly #time: number;
  readonly #changes: EnrollmentChange[] = [];
  readonly #told: StateChange[] = [];

  constructor(work: Work, account: Account, time: number) {
    this.#work = work;
    this.account = account;
    this.#time = time;
  }

  saveAccount = (account: Account) => accounts.updateAccount(this.#work, account);

  find = (id: string) => enrollments.readEnrollment(this.#work, this.account.name, id);
  findByRequest = (digest: string) => enrollments.readByRequest(this.#work, this.account.name, digest);
  namesakes = (of: Enrollment) => enrollments.readNamesakes(this.#work, of);
  async withdrawnUntil(of: Enrollment, now: number): Promise<number | undefined> {
    const entry = await findSource(this.#work, "enrollment", { by: "sub", value: subjectOf(of) });
    return (entry?.expiresAt ?? 0) > now ? entry?.expiresAt : undefined;
  }
  approvedBy = (ids: readonly string[]) => enrollments.readApprovedBy(this.#work, this.account.name, ids);
  roots = () => enrollments.readRoots(this.#work, this.account.name);
  countPending = (now: number) => enrollments.countPending(this.#work, this.account.name, now);
  lapsed = (now: number, limit: number) => enrollments.readLapsed(this.#work, this.account.name, now, limit);

  claimKey = (deviceId: string, id: string) => enrollments.claimKey(this.#work, deviceId, id);

  async write(change: EnrollmentChange): Promise<void> {
    const { before, after } = change;
    this.#changes.push(change);
    if (before === undefined) {
      if (after !== undefined) await enrollments.insertEnrollment(this.#work, after);
    } else {
      if (after === undefined) await enrollments.deleteEnrollment(this.#work, before);
      else await enrollments.updateEnrollment(this.#work, before, after);
      await this.#keep(before, after);
    }
  }

  /** A key that was revoked or rotated away is never another one's; every other is free once its enrollment ended. */
  async #keep(before: Enrollment, after: Enrollment | undefined): Promise<void> {
    if (after?.status === "revoked" || (after !== undefined && after.deviceId !== before.deviceId))
      await enrollments.spendKey(this.#work, before.deviceId);
    else if (after === undefined || after.status === "denied" || after.status === "expired")
      await enrollments.releaseKey(this.#work, before);
  }

  findInvitation = (digest: string) => accounts.findInvitation(this.#work, this.account.name, digest);
  invitations = (now: number) => accounts.readInvitations(this.#work, this.account.name, now);
  saveInvitation = (invitation: Invitation) => accounts.saveInvitation(this.#work, invitation);
  deleteInvitation = (id: string) => accounts.deleteInvitation(this.#work, this.account.name, id);

  replaceRecovery = (digests: readonly string[]) =>
    accounts.replaceRecovery(this.#work, this.account.name, digests);
  burnRecovery = (digest: string) => accounts.burnRecovery(this.#work, this.account.name, digest);

  async tell(...changes: readonly StateChange[]): Promise<void> {
    this.#told.push(...changes);
  }

  /** Writes what follows. @returns what the audit is to be told */
  async end(): Promise<readonly StateChange[]> {
    const work = this.#work;
    const published = this.#changes.flatMap((change) => feedChanges(change, this.#time));
    await publishChanges(work, this.account.name, published, this.#time);
    for (const change of this.#changes) {
      const { revoked, restored } = withdrawal(change, this.#time);
      if (revoked)
        await writeRevocation(work, await raiseGeneration(work, "revocations"), "enrollment", revoked);
      if (restored)
        await removeRevocation(work, await raiseGeneration(work, "revocations"), "enrollment", restored);
    }
    if (this.#changes.length + this.#told.length > 0) {
      const generation = await raiseGeneration(work, "enrollments");
      await enrollments.stampEnrollments(
        work,
        this.#changes.flatMap(({ after }) => after?.id ?? []),
        generation,
      );
    }
    return this.#told;
  }
}
