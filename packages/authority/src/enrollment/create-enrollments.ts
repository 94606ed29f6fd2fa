import { AmeshError, PublicKey, type Random, randomBytes } from "@authmesh/core";
import { accountName, type EnrollmentRequest } from "@authmesh/core/enrollment";
import { admit, invite, passcodeTerms } from "./admission.js";
import { assertApproved, assertManages, assertMay, assertProven } from "./approval.js";
import { assertRootIsLeft, planDecision } from "./decision.js";
import { type Attestation, asOf, type Enrollment, hasLapsed, suspectedClone } from "./enrollment.js";
import type {
  Account,
  AccountWork,
  EnrollmentFilter,
  EnrollmentStore,
  Invitation,
} from "./enrollment-store.js";
import type {
  Actor,
  ClaimOfKey,
  EnrollmentDecision,
  EnrollmentListener,
  Enrollments,
  NewAccount,
  RequestOrigin,
} from "./enrollments.js";
import {
  draftAccount,
  isAwaitedAt,
  isForsaken,
  isProven,
  onboard,
  recover,
  retireSecret,
} from "./onboarding.js";
import { newInvitationSecret, newPasscode, passcodeDigest } from "./passcode.js";
import { record, toldOf } from "./record.js";
import { transitionOf, transitions } from "./transitions.js";

export interface EnrollmentsOptions {
  readonly store: EnrollmentStore;
  /** 32 bytes that all replicas have; the database keeps passcodes under it. */
  readonly passcodeKey: Uint8Array;
  /** Approve only keys that a TPM was shown to hold. Default false. */
  readonly requireAttestation?: boolean | undefined;
  /** Default: the system's CSPRNG. */
  readonly random?: Random | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** So many end at once, so that nobody waits for long: after an outage there may be very many. */
const mostLapsedAtOnce = 200;

export const createEnrollments = (options: EnrollmentsOptions): Enrollments => new StoredEnrollments(options);

class StoredEnrollments implements Enrollments {
  readonly #store: EnrollmentStore;
  readonly #passcodeKey: Uint8Array;
  /** @throws AmeshError `attestation_required` */
  readonly #assertAttested: (attestation: Attestation) => void;
  readonly #random: Random;
  readonly #clock: () => number;
  readonly #listeners = new Set<EnrollmentListener>();
  /** Up to this generation, listeners were told. */
  #seen: number | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: EnrollmentsOptions) {
    const { store, passcodeKey, requireAttestation, random = randomBytes, now = Date.now } = options;
    this.#store = store;
    this.#assertAttested = requireAttestation ? assertProven : () => {};
    this.#passcodeKey = passcodeKey;
    this.#random = random;
    this.#clock = now;
  }

  async createAccount(name: string, email?: string): Promise<NewAccount | undefined> {
    const { account, told } = draftAccount(accountName(name), email, this.#random, this.#now());
    const event = { type: "dev.authmesh.account.created", data: { account: account.name } } as const;
    if (await this.#store.createAccount(account, event)) return told;
    return this.#change(account.name, async (work) => {
      if (!isForsaken(work.account, this.#now()) && !isAwaitedAt(work.account, email)) return undefined;
      await work.saveAccount(account);
      await work.tell(event);
      return told;
    });
  }

  async accountFor(name: string, email: string): Promise<"free" | "awaited" | "taken"> {
    const account = await this.#store.readAccount(name);
    if (account === undefined) return "free";
    if (isAwaitedAt(account, email)) return "awaited";
    return isForsaken(account, this.#now()) ? "free" : "taken";
  }

  accounts(): Promise<readonly Account[]> {
    return this.#store.accounts();
  }

  async onboard(claim: ClaimOfKey, secretSignature: Uint8Array): Promise<Enrollment> {
    await this.#lapseHolder(claim.publicKey.deviceId);
    const master = await this.#change(claim.account, (work) =>
      onboard(work, claim, secretSignature, this.#random, this.#now()),
    );
    if (master !== undefined) return master;
    isProven(undefined, claim, secretSignature, this.#now());
    throw new AmeshError("onboarding_refused");
  }

  async recover(claim: ClaimOfKey, code: string): Promise<Enrollment> {
    await this.#lapseHolder(claim.publicKey.deviceId);
    const master = await this.#change(claim.account, (work) =>
      recover(work, claim, code, this.#random, this.#now()),
    );
    if (master === undefined) throw new AmeshError("recovery_refused");
    return master;
  }

  async request(request: EnrollmentRequest, passcode: string, from: RequestOrigin): Promise<Enrollment> {
    const digest = passcodeDigest(this.#passcodeKey, request.account, passcode);
    const { deviceId } = PublicKey.fromBase64(request.publicKey);
    await this.#lapseHolder(deviceId);
    const now = this.#now();
    const enrollment = await this.#change(request.account, (work) =>
      admit(work, request, digest, from, this.#random, now, this.#assertAttested),
    );
    if (enrollment === undefined) throw new AmeshError("passcode_refused");
    return asOf(enrollment, now);
  }

  async cancel({ account, id }: Actor): Promise<void> {
    const gone = await this.#changeExisting(account, async (work) => {
      const before = await found(work, id);
      assertMay("cancel", before, this.#now());
      await record(work, "enrollment.cancelled", { before, after: undefined }, id);
      return before;
    });
    this.#tell(gone, true);
  }

  async rotate(by: Actor, to: PublicKey, attestation: Attestation = { status: "none" }): Promise<Enrollment> {
    await this.#lapseHolder(to.deviceId);
    return this.#act(by, async (work) => {
      const before = assertApproved(await work.find(by.id), this.#now());
      if (before.attestation.status === "proven") this.#assertAttested(attestation);
      if (!(await work.claimKey(to.deviceId, before.id))) throw new AmeshError("enrollment_key_in_use");
      const after: Enrollment = {
        ...before,
        deviceId: to.deviceId,
        publicKey: to.base64,
        counter: 0,
        attestation,
      };
      await record(work, "enrollment.rotated", { before, after }, by.id);
      return after;
    });
  }

  async answered(deviceId: string, counter: number): Promise<Enrollment | undefined> {
    const held = await this.#store.readByDevice(deviceId);
    if (held === undefined) return undefined;
    const isHigher = await this.#store.raiseCounter(held, counter);
    if (!isHigher) await this.#suspect(held);
    // Read again: what was decided since counts.
    const enrollment = await this.#store.readEnrollment(held.account, held.id);
    return enrollment?.deviceId === deviceId ? asOf(enrollment, this.#now()) : undefined;
  }

  /** Two machines have one key: an approved enrollment is locked, unless nobody could manage the account then. */
  async #suspect({ account, id, deviceId }: Enrollment): Promise<void> {
    const refusal = await this.#change(account, async (work) => {
      const before = await work.find(id);
      if (before === undefined || before.deviceId !== deviceId) return undefined;
      if (asOf(before, this.#now()).status !== "approved") return undefined;
      const { decidedBy: _, ...rest } = before;
      const after = { ...rest, status: "revoked", reason: suspectedClone, decidedAt: this.#now() } as const;
      if (await this.#isLastRoot(work, before, after)) {
        await work.tell(toldOf("enrollment.suspected", before));
        return "challenge_refused";
      }
      await record(work, "enrollment.locked", { before, after });
      return "enrollment_revoked";
    });
    if (refusal !== undefined)
      throw new AmeshError(refusal, "The key's counter was seen before: two machines have the key.");
  }

  async #isLastRoot(work: AccountWork, before: Enrollment, after: Enrollment): Promise<boolean> {
    try {
      await assertRootIsLeft(work, [{ before, after }]);
      return false;
    } catch (error) {
      if (error instanceof AmeshError && error.code === "last_root") return true;
      throw error;
    }
  }

  async decide(by: Actor, decision: EnrollmentDecision, dryRun = false): Promise<readonly Enrollment[]> {
    const changes = await this.#act(by, async (work) => {
      const planned = await planDecision(work, by, decision, this.#now(), this.#assertAttested);
      if (dryRun) return planned;
      const event = `enrollment.${transitions[transitionOf(decision)].told}` as const;
      for (const change of planned) await record(work, event, change, by.id);
      return planned;
    });
    if (!dryRun) for (const { before, after } of changes) if (after === undefined) this.#tell(before, true);
    return changes.map(({ before, after }) => asOf(after ?? before, this.#now()));
  }

  async createPasscode(by: Actor): Promise<{ readonly passcode: string; readonly expiresAt: number }> {
    const passcode = newPasscode(this.#random);
    const { expiresAt } = await this.#invite(by, passcode, passcodeTerms);
    return { passcode, expiresAt };
  }

  async createInvitation(
    by: Actor,
    terms: Parameters<Enrollments["createInvitation"]>[1],
  ): Promise<{ readonly invitation: Invitation; readonly secret: string }> {
    const secret = newInvitationSecret(this.#random);
    return { invitation: await this.#invite(by, secret, terms), secret };
  }

  #invite(by: Actor, secret: string, terms: Parameters<typeof invite>[3]): Promise<Invitation> {
    const digest = passcodeDigest(this.#passcodeKey, by.account, secret);
    return this.#act(by, (work) => invite(work, by, digest, terms, this.#random, this.#now()));
  }

  async deleteInvitation(by: Actor, id: string): Promise<void> {
    await this.#act(by, async (work) => {
      assertManages(assertApproved(await work.find(by.id), this.#now()), "rw");
      if (!(await work.deleteInvitation(id)))
        throw new AmeshError("enrollment_not_found", "There is no such invitation in this account.");
    });
  }

  async invitations(by: Actor): Promise<readonly Invitation[]> {
    await this.#reader(by);
    return this.#store.listInvitations(by.account, this.#now());
  }

  async list(by: Actor, filter: EnrollmentFilter): Promise<readonly Enrollment[]> {
    await this.#reader(by);
    return this.#store.listEnrollments(by.account, filter, this.#now());
  }

  async show(
    by: Actor,
    id: string,
  ): Promise<{ readonly enrollment: Enrollment; readonly conflicts: readonly Enrollment[] }> {
    const reader = id === by.id ? undefined : await this.#reader(by);
    const enrollment = await this.#store.readEnrollment(by.account, id);
    if (enrollment === undefined)
      throw new AmeshError(reader ? "enrollment_not_found" : "enrollment_revoked");
    const conflicts =
      enrollment.status === "pending"
        ? (await this.#store.readNamesakes(enrollment)).map((each) => asOf(each, this.#now()))
        : [];
    const inTheWay = ({ status }: Enrollment) => status !== "denied" && status !== "expired";
    return { enrollment: asOf(enrollment, this.#now()), conflicts: conflicts.filter(inTheWay) };
  }

  async lapse(): Promise<boolean> {
    const now = this.#now();
    let left = mostLapsedAtOnce;
    for (const account of await this.#store.accountsWithLapsed(now, left)) {
      if (left > 0) left -= await this.#lapseAccount(account, now, left);
    }
    await this.#store.forgetInvitations(now);
    return left === 0;
  }

  /** @returns how many ended */
  async #lapseAccount(account: string, now: number, most: number): Promise<number> {
    const written = await this.#change(account, async (work) => {
      const lapsed = await work.lapsed(now, most);
      for (const before of lapsed) await record(work, "enrollment.expired", expiry(before));
      return lapsed.length;
    });
    return written ?? 0;
  }

  /** A key is free once its enrollment is over, whether or not that was written yet. */
  async #lapseHolder(deviceId: string): Promise<void> {
    const holder = await this.#store.readByDevice(deviceId);
    if (holder === undefined || !hasLapsed(holder, this.#now())) return;
    await this.#change(holder.account, async (work) => {
      const before = await work.find(holder.id);
      if (before !== undefined && hasLapsed(before, this.#now()))
        await record(work, "enrollment.expired", expiry(before));
    });
  }

  noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    return this.#store.noteUses(uses);
  }

  onChange(listener: EnrollmentListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  refresh(): Promise<void> {
    const looking = this.#looking.then(() => this.#look());
    this.#looking = looking.catch(() => {});
    return looking;
  }

  async #look(): Promise<void> {
    const before = this.#seen;
    const { generation, enrollments } = await this.#store.changedSince(before);
    this.#seen = generation;
    if (before !== undefined) for (const enrollment of enrollments) this.#tell(enrollment, false);
  }

  #tell(enrollment: Enrollment, isGone: boolean): void {
    for (const listener of this.#listeners) listener(enrollment, isGone);
  }

  #now(): number {
    return Math.floor(this.#clock() / 1000);
  }

  /** @throws AmeshError `approval_exceeds` for who may not read, and the state of who may not act any more */
  async #reader({ account, id }: Actor): Promise<Enrollment> {
    const reader = assertApproved(await this.#store.readEnrollment(account, id), this.#now());
    assertManages(reader, "r");
    return reader;
  }

  /** What an enrollment does, by which the secret that made it is dead. */
  #act<T>(by: Actor, work: (work: AccountWork) => Promise<T>): Promise<T> {
    return this.#changeExisting(by.account, async (account) => {
      const result = await work(account);
      await retireSecret(account, by.id);
      return result;
    });
  }

  /** An account is never gone: there is one where one of its enrollments is known. */
  async #changeExisting<T>(account: string, work: (work: AccountWork) => Promise<T>): Promise<T> {
    const done = await this.#change(account, async (each) => ({ result: await work(each) }));
    if (done === undefined) throw new AmeshError("enrollment_not_found");
    return done.result;
  }

  async #change<T>(account: string, work: (work: AccountWork) => Promise<T>): Promise<T | undefined> {
    const result = await this.#store.changeAccount(account, work);
    // What fails here is done again soon, for whoever changed something did.
    if (this.#listeners.size > 0) await this.refresh().catch(() => {});
    return result;
  }
}

const expiry = (before: Enrollment) => ({ before, after: { ...before, status: "expired" } as const });

/** @throws AmeshError `enrollment_not_found` */
async function found(work: AccountWork, id: string): Promise<Enrollment> {
  const enrollment = await work.find(id);
  if (enrollment === undefined) throw new AmeshError("enrollment_not_found");
  return enrollment;
}
